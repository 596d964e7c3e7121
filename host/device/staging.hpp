// Staging: tensors that the device has no room for lie in the host's memory, and pass through a part of the device's
// memory, the staging memory.
//
// A Staging is the compute stream of such a device. A program enqueues ops on views of the tensors as if they were on
// the device. Before an op runs, a copy stream brings the bytes of its views into the staging memory (a tile for each
// view), unless they are there already. What the op writes goes back when its place is needed. Copies to the device,
// copies back and ops are on streams of their own: while one op runs, tiles of later ones come, as far as there is
// room. So the staging memory should have room for the views of two ops and more.
//
// A program that wants few copies works on the rows of one block of training nodes (NodeBlocks) for as long as it can.
// Copies, fills, uploads and downloads of any size are done in pieces. Results are the same bits as without staging.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/device/device.hpp"
#include "host/device/ops.hpp"

namespace gamlp {

class Staging final : public Stream {
 public:
  // Passes ops on to `compute`, which outlives this. Tensors may take `room` bytes of the device. Where one finds none,
  // there are `bytes` of staging memory beside them.
  Staging(Device& device, Stream& compute, std::size_t room, std::size_t bytes);
  ~Staging() override;
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // A tensor, filled with zeros: on the device, as memory of this kind, where there is room, else in the host's memory.
  // It is released before this is, when synchronize() has returned.
  Buffer allocate(std::size_t bytes, const std::string& what, MemoryKind kind);
  // Returns where on the device the bytes of the view are when the compute stream comes here, and until the next op on
  // a tensor of this. Messages of such bytes go by it: the caller makes the compute stream wait for them before that
  // op. Of a mutable view the message writes all.
  template <class T>
  MatView<T> on_device(const MatView<T>& view) {
    return {static_cast<T*>(place(view.data, static_cast<std::size_t>(view.size()) * sizeof(T), !std::is_const_v<T>)),
            view.rows, view.cols};
  }

  void enqueue(const Op& op) override;
  void record(Event& event) override { compute_.record(event); }
  void wait(Event& event, const char* protects) override { compute_.wait(event, protects); }
  void label(const StepLabel& label) override;
  void synchronize() override;

  std::size_t bytes() const { return memory_.bytes(); }  // 0: no tensor needs it
  // The most bytes that the views of one op had.
  std::size_t largest() const { return largest_; }
  // Bytes copied to the device so far, and back.
  std::uint64_t copied_in() const { return copied_in_; }
  std::uint64_t copied_out() const { return copied_out_; }

 private:
  class Storage;
  using Mark = std::shared_ptr<Event>;
  // Bytes of a tensor that are on the device.
  struct Tile {
    std::size_t bytes = 0, offset = 0;  // offset: in the staging memory
    bool dirty = false;
    std::uint64_t op = 0;  // the last that used it, which pins it while it is being enqueued
    Mark used;             // when that has run; null: when the compute stream comes to what is enqueued next
  };
  using Tiles = std::map<std::uintptr_t, Tile>;  // by first address
  // Ranges of addresses, or of offsets, that do not overlap, by their beginning: and when each is written, or free.
  struct Range {
    std::uintptr_t end = 0;
    Mark mark;
  };
  using Ranges = std::map<std::uintptr_t, Range>;
  struct View {
    std::uintptr_t first;
    std::size_t bytes;
    bool write, overwrite;
  };

  bool staged(const void* data) const;
  bool in_pieces(const Op& op);
  void enqueue_staged(const Op& op, const std::vector<View>& views);
  void* place(const void* data, std::size_t bytes, bool write);
  // Brings all views in. Returns false when there is no room in one piece for one of them.
  bool bring_in(const std::vector<View>& views);
  Tile* bring_in(const View& view);
  // The tile that has all bytes of the view. Null: there is none.
  Tiles::iterator tile_of(std::uintptr_t first, std::size_t bytes);
  std::optional<std::size_t> make_room(std::size_t bytes);
  Tiles::iterator evict(Tiles::iterator tile);
  void give_back(const Tile& tile);
  void forget(std::uintptr_t first, std::size_t bytes);
  std::byte* memory() const { return memory_.raw(bytes_).data; }
  Mark mark(Stream& stream);
  // Takes first … end out of the ranges. Returns the marks of those that had a part of it.
  static std::vector<Mark> take(Ranges& ranges, std::uintptr_t first, std::uintptr_t end);

  Device& device_;
  Stream& compute_;
  std::size_t room_, bytes_;
  Buffer memory_;
  std::unique_ptr<Stream> in_, out_;
  std::map<std::uintptr_t, std::uintptr_t> tensors_;  // first address and end
  Tiles tiles_;
  std::map<std::size_t, std::size_t> free_;  // parts of the staging memory: offset and bytes
  Ranges vacated_, written_;                 // of offsets, and of addresses that are being copied back to
  std::vector<Mark> marks_;                  // all; those that nothing holds are used again
  std::uint64_t op_ = 0;
  std::size_t largest_ = 0;
  std::uint64_t copied_in_ = 0, copied_out_ = 0;
};

}  // namespace gamlp
