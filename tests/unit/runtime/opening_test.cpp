// Recognizes the protocol by a connection's first bytes, received in pieces of any size.
#include "runtime/opening.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "flowrelay/runtime/ingest_budget.hpp"
#include "runtime/web_guard.hpp"

namespace flowrelay::runtime {
namespace {

using namespace std::string_literals;

struct Case {
    std::string bytes;
    Opening opening;
};

const std::vector<Case>& cases() {
    static const std::vector<Case> all{
        {"{\"a\":1}\n", Opening::lines},
        {"[1]\n", Opening::lines},
        {"\r\n\n \t{", Opening::lines},
        {"\xEF\xBB\xBF{", Opening::lines},
        {"\xEF\xBB\xBF\r\n{", Opening::lines},
        {"POST /messages HTTP/1.1\r\n", Opening::http},
        {"post /messages HTTP/1.1\r\n", Opening::http},
        {"Post /messages\r\n", Opening::http},
        {"\r\nPOST / HTTP/1.1\r\n", Opening::http},
        {"get http://x/ HTTP/1.0\r\n", Opening::http},
        {"OPTIONS * HTTP/1.1\r\n", Opening::http},
        {"PRI * HTTP/2.0\r\n", Opening::http},
        {"CONNECT x:1 HTTP/1.1\r\n", Opening::http},
        {"get x http/1.1\n", Opening::http},
        {"GET\n", Opening::http},
        {"HELO there\r\n", Opening::http},
        {"hello\n", Opening::neither},
        {"null\n", Opening::neither},
        {"\"title\": \"x\"\n", Opening::neither},
        {"17\n", Opening::neither},
        {"\x16\x03\x01"s, Opening::neither},
        {"\x1F\x8B"s, Opening::neither},
        {"\0"s, Opening::neither},
        {"flow_token=x&a=/ HTTPx\n", Opening::neither},
        {std::string(40, 'a'), Opening::neither},
        {"", Opening::unknown},
        {" \r\n", Opening::unknown},
        {"\xEF\xBB", Opening::unknown},
        {"post", Opening::unknown},
        {"post ", Opening::unknown},
    };
    return all;
}

TEST(Opening, IsToldByTheFirstLine) {
    for (const auto& one : cases()) EXPECT_EQ(opening_of(one.bytes), one.opening) << one.bytes;
}

TEST(Opening, IsNotDecidedOtherwiseByAPartOfIt) {
    for (const auto& one : cases()) {
        for (std::size_t size = 0; size < one.bytes.size(); ++size) {
            const auto part = opening_of(one.bytes.substr(0, size));
            EXPECT_TRUE(part == Opening::unknown || part == one.opening)
                << one.bytes << " at " << size;
        }
    }
}

TEST(Opening, AnyBytesEndInADecision) {
    Random random(3);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes;
        for (int i = 0; i < 40; ++i) bytes += static_cast<char>(random.below(256));
        bytes += "x" + std::string(1100, 'y') + "\n";
        EXPECT_NE(opening_of(bytes), Opening::unknown);
    }
}

TEST(LoopbackHost, IsOnlyThisHostsOwn) {
    for (const char* host : {"localhost", "LocalHost", "localhost.", "localhost:8025", "127.0.0.1",
                             "127.0.0.1:1", "127.255.255.254", "[::1]", "[::1]:8025"}) {
        EXPECT_TRUE(is_loopback_host(host)) << host;
    }
    for (const char* host : {"",
                             ":80",
                             "localhost:",
                             "localhost:x",
                             "localhost.evil.example",
                             "evil.localhost.example",
                             "127.0.0.1.nip.io",
                             "128.0.0.1",
                             "0.0.0.0",
                             "[::]",
                             "[::2]",
                             "[::1",
                             "::1",
                             "[::1]x",
                             "127.1",
                             "localhost:80:80",
                             "localhost@evil",
                             "xn--localhost",
                             "10.0.0.1",
                             "[::ffff:1.2.3.4]"}) {
        EXPECT_FALSE(is_loopback_host(host)) << host;
    }
}

TEST(IngestBudget, BoundsWhatAllConnectionsHoldTogether) {
    Random random(5);
    constexpr std::uint64_t limit = 1 << 20;
    IngestBudget budget(limit);
    std::vector<std::unique_ptr<IngestBudget::Share>> shares;
    for (int i = 0; i < 50; ++i) shares.push_back(std::make_unique<IngestBudget::Share>(budget));
    std::vector<std::uint64_t> held(shares.size());
    for (int round = 0; round < 20'000; ++round) {
        const auto who = random.below(shares.size());
        const std::uint64_t bytes = random.below(3) == 0 ? 0 : random.below(200'000);
        if (shares[who]->resize(bytes)) held[who] = bytes;
        std::uint64_t counted = 0;
        for (const auto bytes_of : held)
            counted += bytes_of - std::min(bytes_of, IngestBudget::Share::free);
        ASSERT_EQ(budget.used(), counted);
        ASSERT_LE(budget.used(), limit);
    }
    shares.clear();
    EXPECT_EQ(budget.used(), 0U);
}

TEST(IngestBudget, OneAloneMayHaveItAll) {
    IngestBudget budget(1000);
    IngestBudget::Share alone(budget);
    EXPECT_TRUE(alone.resize(10'000'000));
    IngestBudget::Share other(budget);
    EXPECT_TRUE(other.resize(IngestBudget::Share::free));
    EXPECT_FALSE(other.resize(IngestBudget::Share::free + 1));
    EXPECT_TRUE(alone.resize(0));
    EXPECT_TRUE(other.resize(10'000'000));
}

}  // namespace
}  // namespace flowrelay::runtime
