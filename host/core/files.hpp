// Reads and writes whole files, so that no file is ever half-written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gamlp {

// Returns the whole file. Throws a DataError that names the path when the file is missing, unreadable, not a regular
// file or larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uintmax_t limit = std::uintmax_t{1} << 40);

// Writes a file beside `path`, flushes it to disk, and renames it to `path`. So after an error or a crash `path` holds
// its old content or the new one, never a part. Into a device or a pipe, such as /dev/null, it writes as it is. Throws
// an IoError that names the path and the system's reason.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);
void write_file_atomic(const std::filesystem::path& path, std::span<const std::string_view> parts);

// Whether there is something at `path` that is neither a file nor a folder: a device, a pipe.
bool is_device_file(const std::filesystem::path& path);

// Appends to a file, and creates it where there is none. Appends all of the bytes, or none when that fails, and then
// throws an IoError as above. Only one writer at a time may call this.
void append_file(const std::filesystem::path& path, std::string_view bytes);
// When this returns, what anyone has written to the file survives a crash of the machine. Does nothing where there is
// no such file. Throws an IoError as above.
void flush_file(const std::filesystem::path& path);
// Removes what a killed process left of files that it was writing into the folder. Nobody else may be writing there.
void remove_temporary_files(const std::filesystem::path& folder);

// Creates the folder and its parents. Throws an IoError when that fails, or when no file can be created inside.
void make_writable_folder(const std::filesystem::path& folder);

// Returns the CRC-32 (ISO-HDLC) of `bytes`. `seed` is the value of earlier bytes, which this continues.
std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t seed = 0);

}  // namespace gamlp
