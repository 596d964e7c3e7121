// use_cuda() makes the CUDA devices of this machine known to the program (host/device/accelerator.hpp).
#pragma once

namespace gamlp {

void use_cuda();

}  // namespace gamlp
