// The JSON names of the enumerations that all methods share. A method's own enumerations have their names beside them.
#pragma once

#include "host/config/config.hpp"
#include "host/config/enum_names.hpp"

namespace gamlp {

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
inline constexpr std::array<EnumName<StageStart>, 2> enum_names<StageStart>{
    {{StageStart::best, "best"}, {StageStart::last, "last"}}};
template <>
inline constexpr std::array<EnumName<Init>, 3> enum_names<Init>{
    {{Init::identity, "identity"}, {Init::normal, "normal"}, {Init::pytorch, "pytorch"}}};
template <>
inline constexpr std::array<EnumName<GrowthHead>, 2> enum_names<GrowthHead>{
    {{GrowthHead::keep, "keep"}, {GrowthHead::restart, "restart"}}};
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
inline constexpr std::array<EnumName<RankOrder>, 2> enum_names<RankOrder>{
    {{RankOrder::shards, "shards"}, {RankOrder::layers, "layers"}}};
template <>
inline constexpr std::array<EnumName<DatasetReading>, 2> enum_names<DatasetReading>{
    {{DatasetReading::broadcast, "broadcast"}, {DatasetReading::each_process, "each_process"}}};
template <>
inline constexpr std::array<EnumName<GpuTransport>, 3> enum_names<GpuTransport>{
    {{GpuTransport::automatic, "auto"}, {GpuTransport::nccl, "nccl"}, {GpuTransport::copy, "copy"}}};

}  // namespace gamlp
