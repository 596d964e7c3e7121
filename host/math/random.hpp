// Random numbers for host and device code. They are counter-based: each is a pure function of (key, counter). So
// results depend neither on the order of work nor on the number of workers.
#pragma once

#include <cmath>
#include <cstdint>

#include "host/math/annotations.hpp"

namespace gamlp {

// Mixes 64 bits by the finaliser of SplitMix64. It is a bijection whose output bits pass as independent.
GAMLP_HD inline std::uint64_t mix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// Returns the key of one stream of numbers, for instance random_key(seed, layer, what).
GAMLP_HD inline std::uint64_t random_key(std::uint64_t seed, std::uint64_t a, std::uint64_t b = 0) {
  return mix64(mix64(mix64(seed) + a) + b);
}

// Mixes a counter with a key, both of 32 bits. It is cheap enough for one call per quantised value. Loops over it
// vectorise, as it needs only 32-bit multiplications.
GAMLP_HD inline std::uint32_t random_u32(std::uint32_t key, std::uint32_t counter) {
  std::uint32_t x = counter * 0x9E3779B1u + key;
  x = (x ^ (x >> 16)) * 0x21F0AAADu;
  x = (x ^ (x >> 15)) * 0x735A2D97u;
  return x ^ (x >> 15);
}

// Returns the key that such a key becomes in one iteration.
GAMLP_HD inline std::uint32_t key_at(std::uint32_t key, std::uint32_t iteration) {
  return key + iteration * 0x85EBCA6Bu;
}

// Uniform in [0, 1), 24 bits.
GAMLP_HD inline float random_unit(std::uint32_t key, std::uint32_t counter) {
  return static_cast<float>(random_u32(key, counter) >> 8) * 0x1p-24f;
}

// 1 or −1.
GAMLP_HD inline float random_sign(std::uint32_t key, std::uint32_t counter) {
  return (random_u32(key, counter) >> 31) != 0 ? 1.0f : -1.0f;
}

// A sequential generator for host code (graphs, splits, initial weights). It is deterministic on every platform.
class Random {
 public:
  explicit Random(std::uint64_t key) : state_(key) {}
  std::uint64_t next() { return mix64(state_++); }
  // Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // Uniform integer in [0, n), n > 0 (multiply-shift; bias below n·2^-64).
  std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }
  // Standard normal (Box–Muller).
  double normal() {
    const double u = 1.0 - uniform();
    const double v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }

 private:
  std::uint64_t state_;
};

}  // namespace gamlp
