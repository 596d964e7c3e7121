#include <memory>
#include <stdexcept>
#include <zip.h>

#include "host/core/error.hpp"
#include "host/core/files.hpp"
#include "host/data/npz.hpp"

namespace gamlp {
namespace {

struct SourceFreer {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
struct ArchiveDiscarder {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};

[[noreturn]] void fail(const char* what) { throw IoError(std::string("cannot make a .npz: ") + what); }

std::string content_of(zip_source_t* source) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_source_stat(source, &stat) != 0 || zip_source_open(source) != 0) {
    fail(zip_error_strerror(zip_source_error(source)));
  }
  std::string bytes(stat.size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const zip_int64_t got = zip_source_read(source, bytes.data() + done, bytes.size() - done);
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  zip_source_close(source);
  if (done != bytes.size()) fail("the archive cannot be read back");
  return bytes;
}

}  // namespace

std::string npz_bytes(const std::vector<std::pair<std::string, std::string>>& members, NpzCompression compression) {
  expects(!members.empty(), "an archive with members");
  zip_error_t error;
  zip_error_init(&error);
  const std::unique_ptr<zip_source_t, SourceFreer> target(zip_source_buffer_create(nullptr, 0, 0, &error));
  if (target == nullptr) fail(zip_error_strerror(&error));
  std::unique_ptr<zip_t, ArchiveDiscarder> archive(zip_open_from_source(target.get(), ZIP_TRUNCATE, &error));
  if (archive == nullptr) fail(zip_error_strerror(&error));
  zip_source_keep(target.get());  // the archive frees its own reference when it closes; ours reads the result

  for (const auto& [key, content] : members) {
    zip_source_t* source = zip_source_buffer(archive.get(), content.data(), content.size(), 0);
    if (source == nullptr) fail(zip_strerror(archive.get()));
    const zip_int64_t index = zip_file_add(archive.get(), (key + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      fail(zip_strerror(archive.get()));
    }
    const auto at = static_cast<zip_uint64_t>(index);
    const zip_int32_t method = compression == NpzCompression::stored ? ZIP_CM_STORE : ZIP_CM_DEFLATE;
    // Level 1: the default level takes twice as long for a graph of real features, and saves half a percent.
    if (zip_set_file_compression(archive.get(), at, method, method == ZIP_CM_STORE ? 0 : 1) != 0) {
      fail(zip_strerror(archive.get()));
    }
    // 1 January 1980, the first date that zip knows: the same content gives the same bytes.
    if (zip_file_set_dostime(archive.get(), at, 0, 0x21, 0) != 0) fail(zip_strerror(archive.get()));
  }
  if (zip_close(archive.get()) != 0) fail(zip_strerror(archive.get()));
  (void)archive.release();
  return content_of(target.get());
}

void write_npz(const std::filesystem::path& path, const std::vector<std::pair<std::string, std::string>>& members,
               NpzCompression compression) {
  write_file_atomic(path, npz_bytes(members, compression));
}

}  // namespace gamlp
