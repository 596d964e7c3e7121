#include "host/cli/commands.hpp"
namespace gamlp::cli {
void add_evaluate(CLI::App&, Shared&) {}
void add_predict(CLI::App&, Shared&) {}
}
