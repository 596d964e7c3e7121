#include "host/device/staging.hpp"

#include <algorithm>
#include <string_view>
#include <type_traits>
#include <utility>

#include "host/core/error.hpp"

namespace gamlp {
namespace {

constexpr std::size_t kAlignment = 256;

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::uintptr_t address(const void* data) { return reinterpret_cast<std::uintptr_t>(data); }

// Whether the op writes all of a mutable view and reads nothing of it. Saying no is always right, and costs a copy.
template <class T>
bool overwrites(const T& op, std::string_view view) {
  if constexpr (std::is_same_v<T, ops::Gemm>) return view == "c" && op.beta == 0.0f;
  if constexpr (std::is_same_v<T, ops::PInputs>) return view == "x1" || view == "x2";
  if constexpr (std::is_same_v<T, ops::ZqExact>) return view == "z" || view == "t";
  return (std::is_same_v<T, ops::Copy> || std::is_same_v<T, ops::Zero> || std::is_same_v<T, ops::Upload> ||
          std::is_same_v<T, ops::Centre>)&&view == "out";
}

// Calls use(view's pointer, bytes, whether it is mutable, whether the op overwrites it) for each view of the op.
template <class T, class Use>
void for_views(const T& op, Use use) {
  op.views([&](const char* name, const auto& view) {
    using Value = std::remove_pointer_t<decltype(view.data)>;
    if (view.data == nullptr || view.empty()) return;
    use(view.data, static_cast<std::size_t>(view.size()) * sizeof(Value), !std::is_const_v<Value>,
        overwrites(op, name));
  });
}

Bytes piece(const Bytes& of, std::int64_t first, std::int64_t count) { return {of.data + first, 1, count}; }
ConstBytes piece(const ConstBytes& of, std::int64_t first, std::int64_t count) { return {of.data + first, 1, count}; }

}  // namespace

// A tensor, which gives back what it took of the room, or leaves the list of staged ones.
class Staging::Storage final : public Buffer::Storage {
 public:
  Storage(Staging& staging, Buffer memory, bool on_device)
      : staging_(staging), memory_(std::move(memory)), on_device_(on_device) {
    if (on_device_) {
      staging_.room_ -= bytes();
    } else if (bytes() > 0) {
      staging_.tensors_[address(data())] = address(data()) + bytes();
    }
  }
  ~Storage() override {
    if (on_device_) {
      staging_.room_ += bytes();
    } else {
      staging_.forget(address(data()), bytes());
    }
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const override { return memory_.raw(memory_.bytes()).data; }
  std::size_t bytes() const override { return memory_.bytes(); }

 private:
  Staging& staging_;
  Buffer memory_;
  bool on_device_;
};

Staging::Staging(Device& device, Stream& compute, std::size_t room, std::size_t bytes)
    : device_(device),
      compute_(compute),
      room_(room),
      bytes_(aligned(bytes)),
      in_(device.create_stream("copies from the host", StreamKind::copy)),
      out_(device.create_stream("copies to the host", StreamKind::copy)) {
  free_[0] = bytes_;
}

Staging::~Staging() = default;

Buffer Staging::allocate(std::size_t bytes, const std::string& what, MemoryKind kind) {
  const bool on_device = bytes <= room_;
  if (!on_device && !memory_) memory_ = device_.allocate(bytes_, "staging memory", MemoryKind::workspace);
  Buffer memory = on_device ? device_.allocate(bytes, what, kind) : device_.allocate_host(bytes, what);
  return Buffer(std::make_unique<Storage>(*this, std::move(memory), on_device));
}

void Staging::label(const StepLabel& label) {
  compute_.label(label);
  in_->label(label);
  out_->label(label);
}

void Staging::synchronize() {
  in_->synchronize();
  compute_.synchronize();
  out_->synchronize();
}

bool Staging::staged(const void* data) const {
  const auto after = tensors_.upper_bound(address(data));
  return after != tensors_.begin() && address(data) < std::prev(after)->second;
}

// ---- ops ---------------------------------------------------------------------------------------------

void Staging::enqueue(const Op& op) {
  std::vector<View> views;
  std::visit(
      [&](const auto& o) {
        for_views(o, [&](const void* data, std::size_t bytes, bool write, bool overwrite) {
          if (staged(data)) views.push_back({address(data), bytes, write, write && overwrite});
        });
      },
      op.variant());
  if (views.empty()) return compute_.enqueue(op);
  if (!in_pieces(op)) enqueue_staged(op, views);
}

// Ops on bytes can be done a piece at a time.
bool Staging::in_pieces(const Op& op) {
  const auto limit = static_cast<std::int64_t>(std::max(kAlignment, bytes_ / 8 / kAlignment * kAlignment));
  const auto pieces = [&](std::int64_t bytes, const auto& part) {
    if (bytes <= limit) return false;
    for (std::int64_t first = 0; first < bytes; first += limit) enqueue(part(first, std::min(limit, bytes - first)));
    return true;
  };
  if (const auto* o = std::get_if<ops::Copy>(&op.variant())) {
    return pieces(o->out.size(), [&](std::int64_t first, std::int64_t count) {
      return Op(ops::Copy{piece(o->in, first, count), piece(o->out, first, count)});
    });
  }
  if (const auto* o = std::get_if<ops::Zero>(&op.variant())) {
    return pieces(o->out.size(),
                  [&](std::int64_t first, std::int64_t count) { return Op(ops::Zero{piece(o->out, first, count)}); });
  }
  if (const auto* o = std::get_if<ops::Upload>(&op.variant())) {
    return pieces(o->out.size(), [&](std::int64_t first, std::int64_t count) {
      return Op(ops::Upload{o->host + first, piece(o->out, first, count)});
    });
  }
  if (const auto* o = std::get_if<ops::Download>(&op.variant())) {
    return pieces(o->in.size(), [&](std::int64_t first, std::int64_t count) {
      return Op(ops::Download{piece(o->in, first, count), o->host + first});
    });
  }
  return false;
}

void Staging::enqueue_staged(const Op& op, const std::vector<View>& views) {
  std::size_t bytes = 0;
  for (const View& view : views) bytes += aligned(view.bytes);
  largest_ = std::max(largest_, bytes);
  ++op_;
  if (!bring_in(views)) {
    // What is in use lies so that no room in one piece is left. All views have room from the beginning on.
    for (auto tile = tiles_.begin(); tile != tiles_.end();) tile = evict(tile);
    if (!bring_in(views)) {
      throw DeviceError(device_.name() + ": an op needs " + std::to_string(bytes) +
                        " bytes of staging memory, there are " + std::to_string(bytes_));
    }
  }
  Op on_device = op;
  std::visit(
      [&](auto& o) {
        o.views([&](const char*, const auto& view) {
          if (view.data == nullptr || view.empty() || !staged(view.data)) return;
          using Pointer = std::remove_const_t<std::remove_reference_t<decltype(view.data)>>;
          const auto tile = tile_of(address(view.data), static_cast<std::size_t>(view.size()) * sizeof(*view.data));
          std::byte* to = memory() + tile->second.offset + (address(view.data) - tile->first);
          // `on_device` is no constant; views() shows its members as constants.
          const_cast<Pointer&>(view.data) = reinterpret_cast<Pointer>(to);
        });
        for_views(o, [&](const void* data, std::size_t, bool, bool) {
          expects(!staged(data), "views() shows the members of an op, not copies of them");
        });
      },
      static_cast<OpVariant&>(on_device));
  compute_.enqueue(on_device);
  const Mark now = mark(compute_);
  for (const View& view : views) {
    Tile& tile = tile_of(view.first, view.bytes)->second;
    tile.used = now;
    tile.dirty |= view.write;
  }
}

void* Staging::place(const void* data, std::size_t bytes, bool write) {
  if (!staged(data)) return const_cast<void*>(data);
  ++op_;
  const std::vector<View> views{{address(data), bytes, write, write}};
  if (!bring_in(views))
    throw DeviceError(device_.name() + ": no staging memory for " + std::to_string(bytes) + " bytes");
  const auto tile = tile_of(address(data), bytes);
  tile->second.used = nullptr;
  tile->second.dirty |= write;
  return memory() + tile->second.offset + (address(data) - tile->first);
}

// ---- tiles -------------------------------------------------------------------------------------------

Staging::Tiles::iterator Staging::tile_of(std::uintptr_t first, std::size_t bytes) {
  const auto after = tiles_.upper_bound(first);
  if (after == tiles_.begin()) return tiles_.end();
  const auto tile = std::prev(after);
  return first + bytes <= tile->first + tile->second.bytes ? tile : tiles_.end();
}

bool Staging::bring_in(const std::vector<View>& views) {
  return std::all_of(views.begin(), views.end(), [&](const View& view) {
    Tile* tile = bring_in(view);
    if (tile != nullptr) tile->op = op_;
    return tile != nullptr;
  });
}

Staging::Tile* Staging::bring_in(const View& view) {
  if (const auto found = tile_of(view.first, view.bytes); found != tiles_.end()) return &found->second;
  const std::uintptr_t end = view.first + view.bytes;
  // Other tiles with some of the bytes go, so that every byte is on the device once.
  auto other = tiles_.upper_bound(view.first);
  if (other != tiles_.begin() && std::prev(other)->first + std::prev(other)->second.bytes > view.first) --other;
  while (other != tiles_.end() && other->first < end) {
    expects(other->second.op != op_, "views of one op do not overlap");
    other = evict(other);
  }
  const std::optional<std::size_t> offset = make_room(view.bytes);
  if (!offset) return nullptr;
  Tile& tile = tiles_[view.first];
  tile.bytes = view.bytes;
  tile.offset = *offset;
  Stream& first_user = view.overwrite ? compute_ : *in_;
  for (const Mark& mark : take(vacated_, *offset, *offset + aligned(view.bytes))) {
    first_user.wait(*mark, "a part of the staging memory until its last user has run");
  }
  if (view.overwrite) return &tile;
  for (const Mark& mark : take(written_, view.first, end)) {
    in_->wait(*mark, "a part of a tensor until it is copied back");
  }
  const auto size = static_cast<std::int64_t>(view.bytes);
  in_->enqueue(ops::Copy{{reinterpret_cast<const std::byte*>(view.first), 1, size}, {memory() + *offset, 1, size}});
  copied_in_ += view.bytes;
  tile.used = mark(*in_);
  compute_.wait(*tile.used, "a part of a tensor until it is on the device");
  return &tile;
}

// Takes `bytes` of the staging memory. The tiles that were not used for longest make room.
std::optional<std::size_t> Staging::make_room(std::size_t bytes) {
  const std::size_t wanted = aligned(bytes);
  for (;;) {
    const auto part = std::find_if(free_.begin(), free_.end(), [&](const auto& p) { return p.second >= wanted; });
    if (part != free_.end()) {
      const std::size_t offset = part->first, rest = part->second - wanted;
      free_.erase(part);
      if (rest > 0) free_[offset + wanted] = rest;
      return offset;
    }
    auto oldest = tiles_.end();
    for (auto tile = tiles_.begin(); tile != tiles_.end(); ++tile) {
      if (tile->second.op != op_ && (oldest == tiles_.end() || tile->second.op < oldest->second.op)) oldest = tile;
    }
    if (oldest == tiles_.end()) return std::nullopt;
    evict(oldest);
  }
}

Staging::Tiles::iterator Staging::evict(Tiles::iterator at) {
  const std::uintptr_t first = at->first;
  const Tile tile = at->second;
  Mark free = tile.used ? tile.used : mark(compute_);
  if (tile.dirty) {
    out_->wait(*free, "a part of a tensor until its last user has run");
    const auto size = static_cast<std::int64_t>(tile.bytes);
    out_->enqueue(ops::Copy{{memory() + tile.offset, 1, size}, {reinterpret_cast<std::byte*>(first), 1, size}});
    copied_out_ += tile.bytes;
    free = mark(*out_);
    take(written_, first, first + tile.bytes);
    written_[first] = {first + tile.bytes, free};
  }
  vacated_[tile.offset] = {tile.offset + aligned(tile.bytes), free};
  give_back(tile);
  return tiles_.erase(at);
}

// Adds the tile's place to the free parts of the staging memory.
void Staging::give_back(const Tile& tile) {
  std::size_t offset = tile.offset, bytes = aligned(tile.bytes);
  const auto after = free_.lower_bound(offset);
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      offset = before->first, bytes += before->second;
      free_.erase(before);
    }
  }
  if (after != free_.end() && after->first == tile.offset + aligned(tile.bytes)) {
    bytes += after->second;
    free_.erase(after);
  }
  free_[offset] = bytes;
}

// The tensor's memory goes: nothing is copied back to it. All work on it has run, or never will after an error. So this
// calls no device, which could throw the error again from a destructor.
void Staging::forget(std::uintptr_t first, std::size_t bytes) {
  tensors_.erase(first);
  for (auto tile = tiles_.lower_bound(first); tile != tiles_.end() && tile->first < first + bytes;) {
    give_back(tile->second);
    tile = tiles_.erase(tile);
  }
  take(written_, first, first + bytes);
}

// ---- order -------------------------------------------------------------------------------------------

Staging::Mark Staging::mark(Stream& stream) {
  const auto free = std::find_if(marks_.begin(), marks_.end(), [](const Mark& m) { return m.use_count() == 1; });
  Mark event = free != marks_.end() ? *free : marks_.emplace_back(device_.create_event("staging"));
  stream.record(*event);
  return event;
}

std::vector<Staging::Mark> Staging::take(Ranges& ranges, std::uintptr_t first, std::uintptr_t end) {
  std::vector<Mark> marks;
  auto at = ranges.upper_bound(first);
  if (at != ranges.begin() && std::prev(at)->second.end > first) --at;
  while (at != ranges.end() && at->first < end) {
    const auto [begin, range] = *at;
    marks.push_back(range.mark);
    at = ranges.erase(at);
    if (begin < first) ranges[begin] = {first, range.mark};
    if (range.end > end) ranges[end] = range;
  }
  return marks;
}

}  // namespace gamlp
