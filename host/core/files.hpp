// Reading and writing whole files so that nothing is ever half-written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gamlp {

// The whole file. Throws DataError naming the path when it is missing, unreadable, not a regular file or larger than
// `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uintmax_t limit = std::uintmax_t{1} << 40);

// Writes beside `path`, flushes to disk, then renames over it: after an error or a crash `path` holds its
// old content or the new one, never a part. Throws IoError naming the path and the system's reason.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);
void write_file_atomic(const std::filesystem::path& path, std::span<const std::string_view> parts);

// Appends to a file, which comes into being: all of the bytes, or none when that fails. Throws IoError likewise. For
// one writer at a time.
void append_file(const std::filesystem::path& path, std::string_view bytes);
// What was written to the file, by whomever, survives a crash of the machine from here on; nothing where there is no
// such file.
void flush_file(const std::filesystem::path& path);
// Removes what a killed process left of files that it was writing into the folder. Nobody else may be writing there.
void remove_temporary_files(const std::filesystem::path& folder);

// Creates the folder and its parents; throws IoError when that fails or when no file can be created inside.
void make_writable_folder(const std::filesystem::path& folder);

// CRC-32 (ISO-HDLC) of bytes; `seed` continues an earlier value.
std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t seed = 0);

}  // namespace gamlp
