// Damaged and absurd checkpoints: each must be refused with a message that tells what is wrong.
#include <cstring>

#include "host/store/checkpoint.hpp"
#include "host/store/safetensors.hpp"
#include "tests/train/support.hpp"

namespace gamlp::test {
namespace {

HostTensor tensor_of(std::int64_t rows, std::int64_t cols, float value) {
  HostTensor tensor{rows, cols, 4, {}};
  tensor.data.resize(static_cast<std::size_t>(rows * cols) * 4);
  for (std::int64_t i = 0; i < rows * cols; ++i) std::memcpy(tensor.data.data() + i * 4, &value, 4);
  return tensor;
}

Checkpoint sample() {
  Checkpoint c;
  c.stage = 2;
  c.stage_epoch = 3;
  c.epoch = 13;
  c.recent = {{1.5, 1.25}, {0.5, 0.25}, {0.5, 0.125}, 0.75};
  c.config = to_json(small_config()).dump();
  c.state["W1"] = tensor_of(4, 3, 0.5f);
  c.state["z1"] = tensor_of(5, 4, -1.0f);
  c.best.epoch = 7;
  c.best.accuracies = {0.5, 0.25, std::nan("")};
  c.best.network.push_back({Matrix(4, 3), std::vector<float>(4)});
  c.best.network.push_back({Matrix(2, 4), std::vector<float>(2)});
  c.best_of_stages.push_back({6, 6, {0.5, 0.25, 0.25}, {{Matrix(2, 3), std::vector<float>(2)}}});
  return c;
}

std::string checkpoint_bytes(const ScratchFolder& scratch) {
  save_checkpoint(scratch / "c.safetensors", sample());
  return read_file(scratch / "c.safetensors");
}

std::string load_error(const ScratchFolder& scratch, const std::string& bytes) {
  write_file_atomic(scratch / "bad.safetensors", bytes);
  return error_of<DataError>([&] { load_checkpoint(scratch / "bad.safetensors"); });
}

// The metadata's checksum, as checkpoint.cpp computes it, so that what lies behind it can be tested.
void sign(SafeTensors& content) {
  const auto text = [](const std::string& s) { return std::as_bytes(std::span(s)); };
  std::uint32_t crc = 0;
  for (const auto& [key, value] : content.metadata) {
    if (key != "crc32") crc = crc32_of(text(key + "=" + value + "\n"), crc);
  }
  for (const auto& [name, tensor] : content.tensors) {
    std::string line = name + " " + tensor.dtype;
    for (const std::int64_t size : tensor.shape) line += " " + std::to_string(size);
    crc = crc32_of(text(line), crc);
    crc = crc32_of(tensor.data, crc);
  }
  content.metadata["crc32"] = std::to_string(crc);
}

SafeTensor zeros(const char* dtype, std::vector<std::int64_t> shape, std::size_t bytes) {
  return {dtype, std::move(shape), std::vector<std::byte>(bytes)};
}

void set_position(SafeTensors& c, const char* key, const nlohmann::json& value) {
  nlohmann::json position = nlohmann::json::parse(c.metadata["position"]);
  if (value.is_discarded()) {
    position.erase(key);
  } else {
    position[key] = value;
  }
  c.metadata["position"] = position.dump();
}

struct BadCheckpoint {
  const char* name;
  std::function<void(SafeTensors&)> damage;
  const char* message;
  bool signed_again = true;
};

std::vector<BadCheckpoint> bad_checkpoints() {
  const nlohmann::json removed(nlohmann::json::value_t::discarded);
  return {
      {"no format", [](SafeTensors& c) { c.metadata.erase("format"); }, "\"format\" is missing: not a checkpoint"},
      {"weights, no checkpoint", [](SafeTensors& c) { c.metadata["format"] = "gamlp weights"; },
       "is a \"gamlp weights\", expected a \"gamlp checkpoint\""},
      {"no version", [](SafeTensors& c) { c.metadata.erase("version"); }, "\"version\" is missing"},
      {"an unknown version", [](SafeTensors& c) { c.metadata["version"] = "99"; }, "has checkpoint version 99"},
      {"no checksum", [](SafeTensors& c) { c.metadata.erase("crc32"); }, "\"crc32\" is missing", false},
      {"another checksum", [](SafeTensors& c) { c.metadata["crc32"] = "1"; }, "the checksum does not match", false},
      {"a changed value", [](SafeTensors& c) { c.tensors["W1"].data[5] ^= std::byte{1}; },
       "the checksum does not match", false},
      {"a renamed tensor",
       [](SafeTensors& c) {
         c.tensors["W9"] = c.tensors["W1"];
         c.tensors.erase("W1");
       },
       "the checksum does not match", false},
      {"no position", [](SafeTensors& c) { c.metadata.erase("position"); }, "\"position\" is missing"},
      {"a position that is no JSON", [](SafeTensors& c) { c.metadata["position"] = "{"; }, "metadata \"position\": "},
      {"a position that is no object", [](SafeTensors& c) { c.metadata["position"] = "[1]"; },
       "metadata \"position\": "},
      {"no stage", [=](SafeTensors& c) { set_position(c, "stage", removed); }, "metadata \"position\": "},
      {"a stage that is no number", [](SafeTensors& c) { set_position(c, "stage", "two"); }, "metadata \"position\": "},
      {"no config", [](SafeTensors& c) { c.metadata.erase("config"); }, "\"config\" is missing"},
      {"a tensor of one dimension", [](SafeTensors& c) { c.tensors["z1"].shape = {20}; },
       "tensor \"z1\" has 1 dimensions, expected 2"},
      {"best weights that are missing", [](SafeTensors& c) { c.tensors.erase("best.2.W2"); },
       "the best weights of stage 2, layer 2, are missing"},
      {"a best bias that is missing", [](SafeTensors& c) { c.tensors.erase("best.2.b1"); },
       "the best weights of stage 2, layer 1, are missing"},
      {"more best layers than there are",
       [](SafeTensors& c) {
         set_position(c, "best",
                      {{"epoch", 7},
                       {"stage_epoch", 1},
                       {"layers", 1'000'000'000},
                       {"train", 0.5},
                       {"validation", 0.5},
                       {"test", 0.5}});
       },
       "the best weights of stage 2, layer 3, are missing"},
      {"best weights of the stage before that are missing", [](SafeTensors& c) { c.tensors.erase("best.1.W1"); },
       "the best weights of stage 1, layer 1, are missing"},
      {"best weights in double",
       [](SafeTensors& c) {
         c.tensors["best.2.W1"] = zeros("F64", {4, 3}, 96);
       },
       "layer 1, are not W"},
      {"best weights in bytes",
       [](SafeTensors& c) {
         c.tensors["best.2.W1"] = zeros("U8", {4, 3}, 12);
       },
       "layer 1, are not W"},
      {"a best bias of another length",
       [](SafeTensors& c) {
         c.tensors["best.2.b1"] = zeros("F32", {1, 9}, 36);
       },
       "layer 1, are not W"},
      {"best weights that do not fit together",
       [](SafeTensors& c) {
         c.tensors["best.2.W2"] = zeros("F32", {2, 9}, 72);
       },
       "layer 2, have 9 inputs"},
      {"a probe of the inputs in float",
       [](SafeTensors& c) {
         c.tensors["input.probe"] = zeros("F32", {1, 4}, 16);
       },
       "\"input.probe\" is not a row in F64"},
      {"a state of bytes",
       [](SafeTensors& c) {
         c.tensors["z1"] = zeros("U8", {4, 5}, 20);
       },
       "\"z1\""},
  };
}

}  // namespace

TEST_CASE("every bad checkpoint is a DataError that names it and the defect") {
  const ScratchFolder scratch;
  save_checkpoint(scratch / "c.safetensors", sample());
  for (const BadCheckpoint& bad : bad_checkpoints()) {
    INFO(bad.name);
    SafeTensors content = load_safetensors(scratch / "c.safetensors");
    bad.damage(content);
    if (bad.signed_again && content.metadata.contains("crc32")) sign(content);
    const std::string message = load_error(scratch, safetensors_bytes(content));
    check_says(message, "bad.safetensors: ");
    check_says(message, bad.message);
  }
}

TEST_CASE("a checkpoint with any bit flipped, or cut short, is refused") {
  const ScratchFolder scratch;
  const std::string whole = checkpoint_bytes(scratch);
  int accepted = 0;
  for (std::size_t byte = 0; byte < whole.size(); byte += byte < 64 ? 1 : 3) {
    for (const int bit : {0, 5}) {
      std::string flipped = whole;
      flipped[byte] = static_cast<char>(flipped[byte] ^ (1 << bit));
      if (load_error(scratch, flipped) == "no exception") ++accepted;
    }
  }
  CHECK(accepted == 0);
  for (std::size_t size = 0; size < whole.size(); size += 41) {
    INFO("cut to " << size);
    CHECK(load_error(scratch, whole.substr(0, size)).find("bad.safetensors: ") != std::string::npos);
  }
}

TEST_CASE("a state that is not finite is not written") {
  const ScratchFolder scratch;
  Checkpoint c = sample();
  save_checkpoint(scratch / "c.safetensors", c);
  const std::string before = read_file(scratch / "c.safetensors");
  c.state["z1"] = tensor_of(5, 4, std::numeric_limits<float>::infinity());
  check_says(error_of<DivergenceError>([&] { save_checkpoint(scratch / "c.safetensors", c); }), "z1 is not finite");
  CHECK(read_file(scratch / "c.safetensors") == before);
}

}  // namespace gamlp::test
