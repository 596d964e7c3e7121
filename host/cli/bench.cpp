#include "host/cli/commands.hpp"
namespace gamlp::cli {
void add_bench(CLI::App&, Shared&) {}
}
