#include "host/config/method.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace gamlp {

MethodOptions::MethodOptions() : json_(std::make_unique<nlohmann::json>(nlohmann::json::object())) {}
MethodOptions::MethodOptions(const MethodOptions& other) : json_(std::make_unique<nlohmann::json>(*other.json_)) {}
MethodOptions::MethodOptions(MethodOptions&& other) noexcept = default;
MethodOptions& MethodOptions::operator=(MethodOptions other) noexcept {
  json_ = std::move(other.json_);
  return *this;
}
MethodOptions::~MethodOptions() = default;

}  // namespace gamlp
