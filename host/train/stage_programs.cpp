#include "host/train/stage_programs.hpp"

#include "host/admm/admm_program.hpp"
#include "host/backprop/backprop_program.hpp"

namespace gamlp {

std::unique_ptr<StageProgram> create_stage_program(const DeviceContext& context, const StageSpec& spec, int rank,
                                                   InputLayer* input) {
  if (is_backprop(spec.method)) return std::make_unique<BackpropProgram>(context, spec, rank, input);
  return std::make_unique<AdmmProgram>(context, spec, rank, input);
}

}  // namespace gamlp
