// The JSON names of the config's enumerations.
#pragma once

#include <array>
#include <string_view>
#include <type_traits>

#include "host/config/config.hpp"
#include "host/core/error.hpp"

namespace gamlp {

template <class E>
struct EnumName {
  E value;
  std::string_view name;
};

template <class E>
inline constexpr std::array<EnumName<E>, 0> enum_names{};  // none: not an enumeration of the config
template <>
inline constexpr std::array<EnumName<SplitKind>, 3> enum_names<SplitKind>{
    {{SplitKind::file, "file"}, {SplitKind::per_class, "per_class"}, {SplitKind::fraction, "fraction"}}};
template <>
inline constexpr std::array<EnumName<Direction>, 2> enum_names<Direction>{
    {{Direction::in, "in"}, {Direction::out, "out"}}};
template <>
inline constexpr std::array<EnumName<EdgeWeights>, 2> enum_names<EdgeWeights>{
    {{EdgeWeights::ignore, "ignore"}, {EdgeWeights::use, "use"}}};
template <>
inline constexpr std::array<EnumName<ClassIds>, 2> enum_names<ClassIds>{
    {{ClassIds::compact, "compact"}, {ClassIds::keep, "keep"}}};
template <>
inline constexpr std::array<EnumName<Standardize>, 3> enum_names<Standardize>{
    {{Standardize::none, "none"}, {Standardize::columns, "columns"}, {Standardize::scale, "scale"}}};
template <>
inline constexpr std::array<EnumName<PropagationOperator>, 2> enum_names<PropagationOperator>{
    {{PropagationOperator::symmetric, "symmetric"}, {PropagationOperator::random_walk, "random_walk"}}};
template <>
inline constexpr std::array<EnumName<Activation>, 3> enum_names<Activation>{
    {{Activation::relu, "relu"}, {Activation::leaky_relu, "leaky_relu"}, {Activation::tanh, "tanh"}}};
template <>
inline constexpr std::array<EnumName<MethodName>, 5> enum_names<MethodName>{{{MethodName::pdadmm_g, "pdadmm-g"},
                                                                             {MethodName::gd, "gd"},
                                                                             {MethodName::adadelta, "adadelta"},
                                                                             {MethodName::adagrad, "adagrad"},
                                                                             {MethodName::adam, "adam"}}};
template <>
inline constexpr std::array<EnumName<Init>, 3> enum_names<Init>{
    {{Init::identity, "identity"}, {Init::normal, "normal"}, {Init::pytorch, "pytorch"}}};
template <>
inline constexpr std::array<EnumName<GrowthHead>, 2> enum_names<GrowthHead>{
    {{GrowthHead::keep, "keep"}, {GrowthHead::restart, "restart"}}};
template <>
inline constexpr std::array<EnumName<Update>, 3> enum_names<Update>{
    {{Update::automatic, "auto"}, {Update::gradient, "gradient"}, {Update::exact, "exact"}}};
template <>
inline constexpr std::array<EnumName<Coding>, 2> enum_names<Coding>{
    {{Coding::value, "value"}, {Coding::difference, "difference"}}};
template <>
inline constexpr std::array<EnumName<Range>, 3> enum_names<Range>{
    {{Range::fixed, "fixed"}, {Range::tensor, "tensor"}, {Range::block, "block"}}};
template <>
inline constexpr std::array<EnumName<Rounding>, 2> enum_names<Rounding>{
    {{Rounding::nearest, "nearest"}, {Rounding::stochastic, "stochastic"}}};

template <>
inline constexpr std::array<EnumName<Report>, 2> enum_names<Report>{
    {{Report::last_stage, "last_stage"}, {Report::best_stage, "best_stage"}}};

template <>
inline constexpr std::array<EnumName<ProductPrecision>, 3> enum_names<ProductPrecision>{
    {{ProductPrecision::float32, "float32"}, {ProductPrecision::tf32, "tf32"}, {ProductPrecision::bf16, "bf16"}}};

template <>
inline constexpr std::array<EnumName<DatasetReading>, 2> enum_names<DatasetReading>{
    {{DatasetReading::broadcast, "broadcast"}, {DatasetReading::each_process, "each_process"}}};
template <>
inline constexpr std::array<EnumName<GpuTransport>, 3> enum_names<GpuTransport>{
    {{GpuTransport::automatic, "auto"}, {GpuTransport::nccl, "nccl"}, {GpuTransport::copy, "copy"}}};

template <class E>
std::string_view name_of(E value) {
  static_assert(std::is_enum_v<E> && !enum_names<E>.empty());
  for (const auto& entry : enum_names<E>) {
    if (entry.value == value) return entry.name;
  }
  throw std::logic_error("an enumeration holds a value without a name");
}

// The schema admits the names above only; another one means that the two have drifted apart.
template <class E>
E value_of(std::string_view name) {
  for (const auto& entry : enum_names<E>) {
    if (entry.name == name) return entry.value;
  }
  throw std::logic_error("the schema admits the name \"" + std::string(name) + "\", the program does not know it");
}

}  // namespace gamlp
