// The program of a stage by the config's method.
#pragma once

#include <memory>

#include "host/method/stage_program.hpp"

namespace gamlp {

// Allocates this device's share; `input` on the first device, and on no other.
std::unique_ptr<StageProgram> create_stage_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                                   InputLayer* input);

}  // namespace gamlp
