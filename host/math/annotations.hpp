// Marks the functions that host loops and CUDA kernels share. This header includes no CUDA header.
#pragma once

#if defined(__CUDACC__)
#define GAMLP_HD __host__ __device__
#else
#define GAMLP_HD
#endif
