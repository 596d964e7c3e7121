// The list of every op. The ops form families, with a header each. GAMLP_OPS(X) expands X(Name) for each op. The
// variant (host/device/ops.hpp) and what every kind of device declares (host/cpu/cpu_ops.hpp, cuda/kernels/ops.hpp)
// follow from it.
#pragma once

#include "host/device/ops/backprop.hpp"
#include "host/device/ops/collective.hpp"
#include "host/device/ops/common.hpp"
#include "host/device/ops/compress.hpp"
#include "host/device/ops/exact.hpp"
#include "host/device/ops/exchange.hpp"
#include "host/device/ops/gradient.hpp"
#include "host/device/ops/memory.hpp"
#include "host/device/ops/products.hpp"
#include "host/device/ops/replicas.hpp"
#include "host/device/ops/sparsify.hpp"

// clang-format off
#define GAMLP_OPS(X) \
  GAMLP_PRODUCTS_OPS(X) GAMLP_MEMORY_OPS(X) GAMLP_COMMON_OPS(X) GAMLP_EXCHANGE_OPS(X) \
  GAMLP_GRADIENT_OPS(X) GAMLP_EXACT_OPS(X) GAMLP_BACKPROP_OPS(X) GAMLP_COLLECTIVE_OPS(X) \
  GAMLP_COMPRESS_OPS(X) GAMLP_SPARSIFY_OPS(X) GAMLP_REPLICA_OPS(X)
// clang-format on
