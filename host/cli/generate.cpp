#include "host/cli/commands.hpp"
namespace gamlp::cli {
void add_generate(CLI::App&, Shared&) {}
}
