#include "flowrelay/base/bytes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

#include "flowrelay/base/random.hpp"

namespace flowrelay {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes random_bytes(Random& random, std::size_t size) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
    return bytes;
}

TEST(StoreLe, PutsTheLeastByteFirst) {
    std::array<std::uint8_t, 4> out{};
    store_le(out.data(), std::uint32_t{0x01020304});
    EXPECT_EQ(out, (std::array<std::uint8_t, 4>{4, 3, 2, 1}));
}

TEST(LoadLe, ReadsAtAnyAlignment) {
    std::array<std::uint8_t, 9> buffer{};
    store_le(buffer.data() + 1, std::uint64_t{0x0102030405060708});
    EXPECT_EQ(load_le<std::uint64_t>(buffer.data() + 1), 0x0102030405060708U);
}

TEST(AsBytes, AndBackGivesTheSameText) {
    const std::string_view text("a\0\xFF", 3);
    EXPECT_EQ(as_text(as_bytes(text)), text);
}

// Both implementations must pass the same tests.
class Crc32c : public testing::TestWithParam<bool> {
protected:
    static std::uint32_t crc(std::span<const std::uint8_t> bytes, std::uint32_t seed = 0) {
        return GetParam() ? crc32c(bytes, seed) : crc32c_portable(bytes, seed);
    }
};

INSTANTIATE_TEST_SUITE_P(Ways, Crc32c, testing::Bool(),
                         [](const auto& way) { return way.param ? "ByProcessor" : "ByTables"; });

TEST_P(Crc32c, OfNothingIsZero) {
    EXPECT_EQ(crc({}), 0U);
}

// RFC 3720, appendix B.4.
TEST_P(Crc32c, Of32Zeros) {
    EXPECT_EQ(crc(Bytes(32, 0)), 0x8A9136AAU);
}
TEST_P(Crc32c, Of32Ones) {
    EXPECT_EQ(crc(Bytes(32, 0xFF)), 0x62A8AB43U);
}
TEST_P(Crc32c, Of32Ascending) {
    Bytes bytes(32);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    EXPECT_EQ(crc(bytes), 0x46DD794EU);
}
TEST_P(Crc32c, Of32Descending) {
    Bytes bytes(32);
    std::iota(bytes.rbegin(), bytes.rend(), std::uint8_t{0});
    EXPECT_EQ(crc(bytes), 0x113FDB5CU);
}
TEST_P(Crc32c, OfAnIscsiReadCommand) {
    const Bytes command{0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                        0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                        0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
    EXPECT_EQ(crc(command), 0xD9963A56U);
}
TEST_P(Crc32c, OfTheCheckString) {
    EXPECT_EQ(crc(as_bytes("123456789")), 0xE3069283U);
}

TEST_P(Crc32c, GoesOnWithARunningChecksum) {
    Random random(1);
    const Bytes bytes = random_bytes(random, 100);
    const std::span<const std::uint8_t> all(bytes);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        ASSERT_EQ(crc(all.subspan(cut), crc(all.first(cut))), crc(all)) << cut;
    }
}

TEST_P(Crc32c, SeesEveryFlippedBit) {
    Bytes bytes(24, 0x5A);
    const std::uint32_t good = crc(bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
        ASSERT_NE(crc(bytes), good) << bit;
        bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    }
}

TEST(Crc32cWays, AgreeForEveryLengthAndAlignment) {
    Random random(2);
    const Bytes bytes = random_bytes(random, 300);
    for (std::size_t from = 0; from < 9; ++from) {
        for (std::size_t size = 0; from + size <= bytes.size(); ++size) {
            const std::span<const std::uint8_t> part(bytes.data() + from, size);
            const auto seed = static_cast<std::uint32_t>(random.next());
            ASSERT_EQ(crc32c(part, seed), crc32c_portable(part, seed)) << from << '+' << size;
        }
    }
}

}  // namespace
}  // namespace flowrelay
