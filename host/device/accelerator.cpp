#include "host/device/accelerator.hpp"

namespace gamlp {
namespace {

Accelerator* g_accelerator = nullptr;

}  // namespace

Accelerator* accelerator() { return g_accelerator; }
void set_accelerator(Accelerator* accelerator) { g_accelerator = accelerator; }

}  // namespace gamlp
