#include "host/config/device_names.hpp"

#include <sstream>

namespace gamlp {

NamedDevices named_devices(const std::string& text) {
  NamedDevices named;
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon), rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (kind == "cpu") {
    named.kind = DeviceKind::cpu;
    if (!rest.empty()) named.count = std::stoi(rest);
  } else if (kind == "cuda") {
    named.kind = DeviceKind::cuda;
    std::istringstream numbers(rest);
    for (std::string number; rest != "all" && std::getline(numbers, number, ',');) {
      named.cuda.push_back(std::stoi(number));
    }
    if (!named.cuda.empty()) named.count = static_cast<int>(named.cuda.size());
  }
  return named;
}

std::string cuda_devices_text(const std::vector<int>& devices) {
  std::string text = "cuda:";
  for (const int device : devices) text += (text.back() == ':' ? "" : ",") + std::to_string(device);
  return text;
}

}  // namespace gamlp
