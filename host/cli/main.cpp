// gamlp: trains Graph-Augmented MLPs layer-parallel by ADMM.
#include "host/cli/commands.hpp"

int main(int argc, char** argv) { return gamlp::cli::run_program(argc, argv); }
