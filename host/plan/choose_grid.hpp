// Chooses the grid of a run, layers × shards of the training nodes, by forecast.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/methods/common/input.hpp"
#include "host/problem/chosen_devices.hpp"

namespace gamlp {

// What the forecast of a grid must save, to be chosen before one with fewer shards.
inline constexpr double kWorthIt = 0.99;

// "4 × 2 by layers": runs of layers × shards, and the order of the devices where that is to be said.
std::string grid_text(int ranges, int shards, std::optional<RankOrder> order);

// The grids of so many devices, from the fewest shards on: on several hosts with either order of the devices, where
// that makes a difference.
std::vector<PartitionConfig> partitions_of(const Config& config, int devices, int hosts);

// Whether two resolved configs of one problem, which differ in `partition`, train alike: with the same constants, and
// layer 1 in the same coordinates, by stage.
bool same_training(const Config& a, const std::vector<InputKind>& kinds_a, const Config& b,
                   const std::vector<InputKind>& kinds_b);

// Where `partition` of the config leaves it open, chooses partition.shards for the devices: the grid whose forecast
// iteration is the fastest, of those that fit the GPUs if some do. The forecast takes the figures of the built-in
// machine that is most like the devices. Where they are on several hosts, it chooses partition.order too, if that is
// open. It then needs to know the network (distributed.network), or the grid is that of the fewest shards, and the
// order that of the fewest bytes between hosts. Where `devices` of the config leaves their number open, the run gets as
// many as have a grid, also more than there are layers, where that is faster. Only such grids are considered with which
// the method's constants and the coordinates of layer 1 are those of the devices as they came, in the fewest shards: so
// the choice does not change the results. `begun` as in resolve_problem(). Returns a sentence for the user where more
// than one grid was possible, else "".
std::string choose_grid(Config& config, ChosenDevices& devices, const ProblemShape& shape,
                        const std::vector<InputKind>& begun);

}  // namespace gamlp
