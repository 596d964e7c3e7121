// GAMLP_ASAN is defined where AddressSanitizer watches.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define GAMLP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GAMLP_ASAN 1
#endif
#endif
#if defined(GAMLP_ASAN)
#include <sanitizer/asan_interface.h>
#endif
