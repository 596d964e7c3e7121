#include "host/cli/commands.hpp"
namespace gamlp::cli {
void add_info(CLI::App&, Shared&) {}
}
