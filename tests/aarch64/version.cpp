// Prints the instruction set that `gamlp --version` names.
#include <cstdio>

#include "host/core/instructions.hpp"

int main() { std::printf("%s\n", gamlp::kInstructions); }
