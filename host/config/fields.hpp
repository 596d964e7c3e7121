// Lists the members of each config section with their JSON keys, once for reading and for writing.
// fields(section, visit) calls visit(key, member) for each member, in the order in which a config is written.
#pragma once

#include "host/config/config.hpp"
#include "host/config/enums.hpp"
#include "host/config/options.hpp"

namespace gamlp {

template <SectionOf<GenerateConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("shape", c.shape);
  visit("scale", c.scale);
  visit("nodes", c.nodes);
  visit("classes", c.classes);
  visit("features", c.features);
  visit("mean_degree", c.mean_degree);
  visit("homophily", c.homophily);
  visit("feature_signal", c.feature_signal);
  visit("seed", c.seed);
}

template <SectionOf<TextConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("edges", c.edges);
  visit("features", c.features);
  visit("labels", c.labels);
}

template <SectionOf<SplitConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("kind", c.kind);
  visit("train_per_class", c.train_per_class);
  visit("validation", c.validation);
  visit("test", c.test);
  visit("train_fraction", c.train_fraction);
  visit("validation_fraction", c.validation_fraction);
  visit("seed", c.seed);
  visit("index", c.index);
  visit("stratify", c.stratify);
}

template <SectionOf<DatasetConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("path", c.path);
  visit("text", c.text);
  visit("generate", c.generate);
  visit("symmetrize", c.symmetrize);
  visit("direction", c.direction);
  visit("edge_weights", c.edge_weights);
  visit("drop_self_loops", c.drop_self_loops);
  visit("binarize_features", c.binarize_features);
  visit("row_normalize", c.row_normalize);
  visit("standardize", c.standardize);
  visit("class_ids", c.class_ids);
  visit("hops", c.hops);
  visit("hop_growth", c.hop_growth);
  visit("operator", c.propagation);
  visit("split", c.split);
}

template <SectionOf<ModelConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("width", c.width);
  visit("activation", c.activation);
  visit("leaky_slope", c.leaky_slope);
}

// Without `method`, which parse.cpp reads and writes.
template <SectionOf<StageConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("layers", c.layers);
  visit("epochs", c.epochs);
  visit("start", c.start);
}

// Without the keys that are a method's own (MethodConfig::options).
template <SectionOf<MethodConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("name", c.name);
  visit("init_scale_first", c.init_scale_first);
  visit("init", c.init);
  visit("growth_head", c.growth_head);
}

template <SectionOf<GridConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("min", c.min);
  visit("max", c.max);
  visit("levels", c.levels);
}

template <SectionOf<CodecConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("bits", c.bits);
  visit("coding", c.coding);
  visit("range", c.range);
  visit("block", c.block);
  visit("grid", c.grid);
  visit("rounding", c.rounding);
  visit("error_feedback", c.error_feedback);
}

template <SectionOf<BitScheduleEntry> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("epoch", c.epoch);
  visit("bits", c.bits);
}

template <SectionOf<ExchangeConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("p", c.p);
  visit("q", c.q);
  visit("schedule", c.schedule);
}

template <SectionOf<StopConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("residual", c.residual);
  visit("objective", c.objective);
  visit("window", c.window);
  visit("patience", c.patience);
}

template <SectionOf<TrainConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("seed", c.seed);
  visit("from", c.from);
  visit("new_head", c.new_head);
  visit("evaluate_every", c.evaluate_every);
  visit("checkpoint_every", c.checkpoint_every);
  visit("weights_hash", c.weights_hash);
  visit("stop", c.stop);
  visit("report", c.report);
}

template <SectionOf<DistributedConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("dataset", c.dataset);
  visit("timeout", c.timeout);
  visit("stall_timeout", c.stall_timeout);
  visit("gpu_transport", c.gpu_transport);
  visit("network", c.network);
}

template <SectionOf<PartitionConfig> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("layers", c.layers);
  visit("shards", c.shards);
  visit("replicas", c.replicas);
  visit("order", c.order);
}

template <SectionOf<Config> T, class Visit>
void fields(T& c, Visit&& visit) {
  visit("dataset", c.dataset);
  visit("model", c.model);
  visit("stages", c.stages);
  visit("method", c.method);
  visit("exchange", c.exchange);
  visit("train", c.train);
  visit("devices", c.devices);
  visit("precision", c.precision);
  visit("threads_per_device", c.threads_per_device);
  visit("node_memory", c.node_memory);
  visit("partition", c.partition);
  visit("distributed", c.distributed);
}

}  // namespace gamlp
