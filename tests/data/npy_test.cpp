#include "host/data/npy.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "tests/data/support.hpp"
#include "tests/support/catch.hpp"

using namespace gamlp;
using namespace gamlp::test;

namespace {

NpyArray parsed(const std::string& bytes) { return parse_npy(bytes_of(bytes), "x.npy"); }

template <class S>
void check_dtype(const std::string& code, const std::vector<S>& values) {
  const std::string shape = std::string("(").append(std::to_string(values.size())).append(",)");
  for (const bool big : {false, true}) {
    const std::string order = sizeof(S) == 1 ? "|" : big ? ">" : "<";
    INFO(order << code);
    const NpyArray array = parsed(npy_of(order + code, shape, raw(values, big)));
    CHECK(array.header().itemsize == sizeof(S));
    const auto doubles = array.to<double>();
    const auto floats = array.to<float>();
    REQUIRE(doubles.size() == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(doubles[i] == static_cast<double>(values[i]));
      CHECK(floats[i] == static_cast<float>(values[i]));
    }
  }
}

}  // namespace

TEST_CASE("every numeric dtype in both byte orders") {
  check_dtype<std::int8_t>("i1", {-128, 0, 127});
  check_dtype<std::int16_t>("i2", {-32768, 1, 32767});
  check_dtype<std::int32_t>("i4", {-2147483647, 258, 2147483647});
  check_dtype<std::int64_t>("i8", {-9007199254740992, 66051, 9007199254740992});
  check_dtype<std::uint8_t>("u1", {0, 200, 255});
  check_dtype<std::uint16_t>("u2", {0, 258, 65535});
  check_dtype<std::uint32_t>("u4", {0, 66051, 4294967295u});
  check_dtype<std::uint64_t>("u8", {0, 66051, 1ull << 60});
  check_dtype<float>("f4", {-1.5f, 0.0f, 3e38f});
  check_dtype<double>("f8", {-1.5, 0.1, 1e30});
  check_dtype<std::uint8_t>("b1", {0, 1, 1});
}

TEST_CASE("half precision") {
  const std::vector<std::uint16_t> bits = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x0400, 0x3555, 0x8000, 0x7C00};
  const std::vector<float> want = {1.0f, -2.0f, 65504.0f, 0x1p-24f, 0x1p-14f, 0.333251953125f, -0.0f, INFINITY};
  for (const bool big : {false, true}) {
    const auto got = parsed(npy_of(big ? ">f2" : "<f2", "(8,)", raw(bits, big))).to<float>();
    CHECK(got == want);
  }
  CHECK(std::isnan(parsed(npy_of("<f2", "(1,)", raw(std::vector<std::uint16_t>{0x7E00}))).to<float>()[0]));
}

TEST_CASE("integers of every width convert exactly or not at all") {
  const auto i8 = [](std::int64_t v) { return parsed(npy_of("<i8", "(1,)", raw(std::vector<std::int64_t>{v}))); };
  CHECK(i8(2147483647).to<std::int32_t>()[0] == 2147483647);
  CHECK(contains(data_error_of([&] { i8(2147483648).to<std::int32_t>(); }), "element 0: found 2147483648"));
  CHECK_THROWS_AS(i8(-1).to<std::uint8_t>(), DataError);
  CHECK_THROWS_AS(i8(256).to<std::uint8_t>(), DataError);
  const auto u8 = [](std::uint64_t v) { return parsed(npy_of("<u8", "(1,)", raw(std::vector<std::uint64_t>{v}))); };
  CHECK(u8((1ull << 63) - 1).to<std::int64_t>()[0] == std::numeric_limits<std::int64_t>::max());
  CHECK_THROWS_AS(u8(1ull << 63).to<std::int64_t>(), DataError);
  const auto f8 = [](double v) { return parsed(npy_of("<f8", "(1,)", raw(std::vector<double>{v}))); };
  CHECK(f8(-7.0).to<std::int32_t>()[0] == -7);
  CHECK(f8(-2147483648.0).to<std::int32_t>()[0] == std::numeric_limits<std::int32_t>::min());
  for (const double bad : {0.5, 2147483648.0, -2147483649.0, 1e300, double(NAN), double(INFINITY)}) {
    CHECK_THROWS_AS(f8(bad).to<std::int32_t>(), DataError);
  }
  CHECK_THROWS_AS(f8(0x1p63).to<std::int64_t>(), DataError);
  CHECK_THROWS_AS(f8(-1.0).to<std::uint8_t>(), DataError);
}

TEST_CASE("numbers must stay finite in float32") {
  const auto f8 = [](double v) { return parsed(npy_of("<f8", "(1,)", raw(std::vector<double>{v}))); };
  CHECK_THROWS_AS(f8(1e39).to<float>(), DataError);
  CHECK(std::isinf(f8(INFINITY).to<float>()[0]));
  CHECK(std::isnan(f8(NAN).to<float>()[0]));
}

TEST_CASE("C and Fortran order give the same matrix") {
  const std::vector<std::int16_t> rows = {1, 2, 3, 4, 5, 6};
  const std::vector<std::int16_t> columns = {1, 4, 2, 5, 3, 6};
  for (const bool big : {false, true}) {
    const std::string descr = big ? ">i2" : "<i2";
    const Matrix c = parsed(npy_with_header(npy_dict(descr, false, "(2, 3)"), raw(rows, big))).to_matrix();
    const Matrix f = parsed(npy_with_header(npy_dict(descr, true, "(2, 3)"), raw(columns, big))).to_matrix();
    REQUIRE(c.rows() == 2);
    REQUIRE(f.cols() == 3);
    for (int i = 0; i < 6; ++i) {
      CHECK(c.data()[i] == static_cast<float>(i + 1));
      CHECK(f.data()[i] == static_cast<float>(i + 1));
    }
  }
  const Matrix plain = parsed(npy_with_header(npy_dict("<f4", true, "(2, 2)"), raw<float>({1, 2, 3, 4}))).to_matrix();
  CHECK(plain(0, 1) == 3.0f);
}

TEST_CASE("header versions 1 to 3, and the ways to write a header") {
  for (const int major : {1, 2, 3}) {
    const auto array = parsed(npy_with_header(npy_dict("<i4", false, "(2,)"), raw<std::int32_t>({5, 6}), major));
    CHECK(array.to<std::int32_t>() == std::vector<std::int32_t>{5, 6});
  }
  const std::string data = raw<std::int32_t>({5, 6});
  for (const char* dict : {"{\"shape\": (2, 1), \"fortran_order\": False, \"descr\": \"<i4\"}",
                           "{'descr':'<i4','fortran_order':False,'shape':(2L,)}      ",
                           "{ 'shape' : ( 2 , ) , 'descr' : '=i4' , 'fortran_order' : True , }\n"}) {
    CHECK(parsed(npy_with_header(dict, data)).to<std::int32_t>() == std::vector<std::int32_t>{5, 6});
  }
  CHECK(parsed(npy_of("<f8", "()", raw<double>({2.5}))).to<double>() == std::vector<double>{2.5});
  CHECK(parsed(npy_of("<f8", "(0,)", "")).to<double>().empty());
  CHECK(parsed(npy_of("<f8", "(0, 5)", "")).to_matrix().cols() == 5);
  CHECK(parsed(npy_of("|?", "(2,)", std::string("\0\1", 2))).to<std::uint8_t>() == std::vector<std::uint8_t>{0, 1});
}

TEST_CASE("malformed .npy bytes") {
  struct Bad {
    const char* name;
    std::string bytes;
    std::string message;
  };
  const std::string four = raw<float>({1});
  const Bad corpus[] = {
      {"empty", "", "found no .npy header"},
      {"other magic", "\x93NUMPX\x01\x00          ", "found no .npy header"},
      {"only the magic", "\x93NUMPY", "truncated .npy header: found 6 bytes"},
      {"version 4", npy_with_header(npy_dict("<f4", false, "(1,)"), four, 4), "found .npy version 4.0, expected 1.0"},
      {"header cut", npy_of("<f4", "(1,)", four).substr(0, 30), "truncated .npy header: found 30 bytes, expected"},
      {"huge header", std::string("\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12), "absurd .npy header"},
      {"no dict", npy_with_header("hello, world, no dict", four), "expected '{'"},
      {"dict cut", npy_with_header("{'descr': '<f4', 'fortran_order'", four), "expected ':'"},
      {"string cut", npy_with_header("{'descr': '<f4", four), "expected a closed string"},
      {"unknown key", npy_with_header("{'dtype': '<f4'}", four), "found the key 'dtype'"},
      {"key twice", npy_with_header("{'descr': '<f4', 'descr': '<f4'}", four), "found the key 'descr'"},
      {"key missing", npy_with_header("{'descr': '<f4', 'shape': (1,)}", four), "expected the keys 'descr'"},
      {"bad boolean", npy_with_header("{'fortran_order': 1}", four), "expected True or False"},
      {"rubbish behind", npy_with_header(npy_dict("<f4", false, "(1,)") + "x", four), "expected the end of the header"},
      {"negative extent", npy_of("<f4", "(-1,)", four), "expected a non-negative extent"},
      {"huge extent", npy_of("<f4", "(99999999999999999999999,)", four), "absurd shape"},
      {"overflowing shape", npy_of("<f8", "(200000000000000, 200000000000000)", four), "absurd shape"},
      {"three dimensions", npy_of("<f4", "(1, 1, 1)", four), "found more than 2 dimensions"},
      {"object", npy_of("|O", "(1,)", four), "allow_pickle=True"},
      {"text dtype", npy_of("<U3", "(1,)", four), "found dtype '<U3', expected bool"},
      {"complex", npy_of("<c8", "(1,)", four), "found dtype '<c8'"},
      {"i3", npy_of("<i3", "(1,)", four), "found dtype '<i3'"},
      {"f4 without order", npy_of("|f4", "(1,)", four), "without a byte order"},
      {"structured", npy_with_header("{'descr': [('a', '<f4')], }", four), "found a structured dtype"},
      {"data too short", npy_of("<f4", "(2,)", four), "expected 76 for shape (2,) of <f4"},
      {"data too long", npy_of("<f4", "()", four + four), "for shape () of <f4"},
  };
  for (const Bad& bad : corpus) {
    INFO(bad.name);
    const std::string message = data_error_of([&] { parsed(bad.bytes); });
    CHECK(message.find("x.npy: ") == 0);
    CHECK(contains(message, bad.message));
  }
}

TEST_CASE("what is written is read back") {
  const std::vector<std::int64_t> ids = {1, -2, std::int64_t{1} << 40};
  CHECK(parsed(npy_bytes(ids)).to<std::int64_t>() == ids);
  Matrix matrix(3, 2);
  for (int i = 0; i < 6; ++i) matrix.data()[i] = static_cast<float>(i) / 3;
  const ScratchFolder folder;
  write_npy(folder.path() / "m.npy", std::as_const(matrix).view());
  const NpyArray array = read_npy(folder.path() / "m.npy");
  CHECK(array.header().shape == std::vector<std::int64_t>{3, 2});
  CHECK(array.header().data_offset % 64 == 0);
  const Matrix back = array.to_matrix();
  CHECK(std::equal(back.data(), back.data() + 6, matrix.data()));
  CHECK(parsed(npy_bytes(std::vector<float>{})).elements() == 0);
  CHECK_THROWS_AS(write_npy(folder.path() / "absent" / "m.npy", ids), IoError);
}
