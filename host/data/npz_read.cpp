#include <algorithm>
#include <new>
#include <unistd.h>
#include <unordered_set>
#include <zip.h>

#include "host/core/error.hpp"
#include "host/data/npz.hpp"

namespace gamlp {
namespace {

// Deflate codes at most 258 bytes in 2 bits; a member that claims more than this ratio (and some slack for tiny
// ones) is lying.
constexpr std::uint64_t max_ratio = 1040;
constexpr std::uint64_t ratio_slack = 4096;
constexpr std::string_view ending = ".npy";

std::uint64_t physical_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page <= 0) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
}

std::string text_of(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

[[noreturn]] void not_an_archive(const std::string& name, const std::string& reason) {
  throw DataError(name + ": cannot be read as .npz: " + reason +
                  "; expected a whole zip archive as written by numpy.savez or numpy.savez_compressed");
}

zip* opened(zip_source_t* source, const std::string& name, zip_error_t& error) {
  if (source == nullptr) not_an_archive(name, text_of(error));
  zip* archive = zip_open_from_source(source, ZIP_RDONLY, &error);
  if (archive == nullptr) {
    zip_source_free(source);
    not_an_archive(name, text_of(error));
  }
  return archive;
}

struct FileCloser {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using MemberFile = std::unique_ptr<zip_file_t, FileCloser>;

// Fills `out`; fewer bytes, or a failure, is an error.
void read_exactly(zip_file_t* file, std::span<std::byte> out, const std::string& where) {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t step = std::min<std::size_t>(out.size() - done, std::size_t{1} << 30);
    const zip_int64_t got = zip_fread(file, out.data() + done, step);
    if (got < 0) throw DataError(where + ": corrupt: " + zip_error_strerror(zip_file_get_error(file)));
    if (got == 0) {
      throw DataError(where + ": truncated: found only " + std::to_string(done) + " of the next " +
                      std::to_string(out.size()) + " bytes");
    }
    done += static_cast<std::size_t>(got);
  }
}

// The end must be here; libzip verifies the checksum when it meets it.
void expect_end(zip_file_t* file, const std::string& where) {
  std::byte extra;
  const zip_int64_t got = zip_fread(file, &extra, 1);
  if (got < 0) throw DataError(where + ": corrupt: " + zip_error_strerror(zip_file_get_error(file)));
  if (got > 0) throw DataError(where + ": corrupt: found more bytes than the archive declares");
}

void check_storage(const zip_stat_t& stat, const std::string& where) {
  constexpr zip_uint64_t needed =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if ((stat.valid & needed) != needed) throw DataError(where + ": the archive does not state its size");
  if (stat.encryption_method != ZIP_EM_NONE)
    throw DataError(where + ": found an encrypted member, expected a plain one");
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
    throw DataError(where + ": found zip compression method " + std::to_string(stat.comp_method) +
                    ", expected stored (0) or deflated (8)");
  }
  const bool stored = stat.comp_method == ZIP_CM_STORE;
  if (stored ? stat.size != stat.comp_size : stat.size / max_ratio > stat.comp_size + ratio_slack / max_ratio) {
    throw DataError(where + ": found a declared size of " + std::to_string(stat.size) + " bytes in " +
                    std::to_string(stat.comp_size) + (stored ? " stored" : " compressed") +
                    " ones, which is impossible (a zip bomb or a corrupt archive)");
  }
}

}  // namespace

NpzReader::NpzReader(const std::filesystem::path& path, const NpzLimits& limits)
    : name_(path.string()), budget_(std::min(limits.total_bytes, physical_memory())) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (!std::filesystem::exists(status)) throw DataError(name_ + ": no such file, expected a .npz dataset");
  if (!std::filesystem::is_regular_file(status)) throw DataError(name_ + ": is not a regular file");
  const std::uint64_t size = std::filesystem::file_size(path, failure);
  if (failure) throw DataError(name_ + ": cannot read: " + failure.message());
  if (size == 0) not_an_archive(name_, "it is empty");  // libzip would see an archive without members
  zip_error_t error;
  zip_error_init(&error);
  archive_ = opened(zip_source_file_create(path.c_str(), 0, -1, &error), name_, error);
  check_members(size);
}

NpzReader::NpzReader(std::span<const std::byte> bytes, std::string name, const NpzLimits& limits)
    : name_(std::move(name)), budget_(std::min(limits.total_bytes, physical_memory())) {
  if (bytes.empty()) not_an_archive(name_, "it is empty");
  zip_error_t error;
  zip_error_init(&error);
  archive_ = opened(zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error), name_, error);
  check_members(bytes.size());
}

NpzReader::~NpzReader() {
  if (archive_ != nullptr) zip_discard(archive_);
}

void NpzReader::check_members(std::uint64_t archive_bytes) {
  // The destructor does not run when a constructor throws.
  std::unique_ptr<zip, void (*)(zip*)> guard(archive_, [](zip* archive) { zip_discard(archive); });
  std::unordered_set<std::string> seen;
  std::uint64_t compressed = 0;
  const zip_int64_t count = zip_get_num_entries(archive_, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(archive_, static_cast<zip_uint64_t>(i), 0, &stat) != 0 || (stat.valid & ZIP_STAT_NAME) == 0) {
      not_an_archive(name_, "member " + std::to_string(i) + " has no readable entry");
    }
    if (!seen.insert(stat.name).second) throw DataError(name_ + ": " + stat.name + ": found twice, expected once");
    // One by one against the archive, so that the sum cannot overflow.
    if (stat.comp_size > archive_bytes || (compressed += stat.comp_size) > archive_bytes) {
      throw DataError(name_ + ": " + stat.name + ": members overlap: they declare more compressed bytes than the " +
                      std::to_string(archive_bytes) + " of the file (a zip bomb or a corrupt archive)");
    }
    members_.emplace_back(stat.name);
  }
  (void)guard.release();
}

std::vector<std::string> NpzReader::keys() const {
  std::vector<std::string> keys;
  for (const std::string& member : members_) {
    if (member.ends_with(ending)) keys.push_back(member.substr(0, member.size() - ending.size()));
  }
  return keys;
}

bool NpzReader::contains(const std::string& key) const {
  return std::find(members_.begin(), members_.end(), key + std::string(ending)) != members_.end();
}

NpyArray NpzReader::read(const std::string& key) {
  const std::string where = name_ + ": " + key;
  const auto place = std::find(members_.begin(), members_.end(), key + std::string(ending));
  if (place == members_.end()) {
    std::string message = where + ": missing; the file holds";
    for (std::size_t i = 0; i < members_.size() && i < 20; ++i) message += (i > 0 ? ", " : " ") + members_[i];
    throw DataError(message + (members_.empty() ? " nothing" : members_.size() > 20 ? ", …" : ""));
  }
  const auto index = static_cast<zip_uint64_t>(place - members_.begin());
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(archive_, index, 0, &stat) != 0) throw DataError(where + ": " + zip_strerror(archive_));
  check_storage(stat, where);

  const MemberFile file(zip_fopen_index(archive_, index, 0));
  if (file == nullptr) throw DataError(where + ": corrupt: " + zip_strerror(archive_));
  std::vector<std::byte> head(std::min<std::uint64_t>(npy_prefix_bytes, stat.size));
  read_exactly(file.get(), head, where);
  const std::size_t header_bytes = npy_header_bytes(head, where);
  if (header_bytes < npy_prefix_bytes || header_bytes > stat.size) {
    throw DataError(where + ": found a member of " + std::to_string(stat.size) +
                    " bytes, too short for its .npy header of " + std::to_string(header_bytes));
  }
  head.resize(header_bytes);
  read_exactly(file.get(), std::span(head).subspan(npy_prefix_bytes), where);

  NpyHeader header = parse_npy_header(head, where);
  if (header.total_bytes() != stat.size) {
    throw DataError(where + ": found a member of " + std::to_string(stat.size) + " bytes, expected " +
                    std::to_string(header.total_bytes()) + " for shape " + header.shape_text() + " of " + header.dtype);
  }
  if (stat.size > budget_) {
    throw DataError(where + ": found " + std::to_string(stat.size) + " bytes once unpacked, expected at most the " +
                    std::to_string(budget_) + " left of this reader's limit");
  }
  budget_ -= stat.size;
  const std::size_t size = stat.size - header_bytes;
  std::unique_ptr<std::byte[]> data;
  try {
    data = std::make_unique_for_overwrite<std::byte[]>(size);
  } catch (const std::bad_alloc&) {
    throw DataError(where + ": not enough memory for its " + std::to_string(size) + " bytes");
  }
  read_exactly(file.get(), {data.get(), size}, where);
  expect_end(file.get(), where);
  return {std::move(header), std::move(data), where};
}

}  // namespace gamlp
