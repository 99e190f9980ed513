// Identifiers that all layers use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay {

/// Sequence number of an event, in the order of acceptance. Starts at 1, is never reused, and is
/// kept when a record is copied or replayed. 0: no event.
enum class Seq : std::uint64_t { none = 0 };

/// Identifies the slot that holds the credentials of one source or of one flow_token. Starts at 1
/// and is never reused; the token in the slot may be rotated. 0: no token.
enum class TokenId : std::uint64_t { none = 0 };

constexpr std::uint64_t to_number(Seq seq) noexcept {
    return static_cast<std::uint64_t>(seq);
}
constexpr std::uint64_t to_number(TokenId id) noexcept {
    return static_cast<std::uint64_t>(id);
}

/// Identifies a lane: the events of one thread of one token. Two threads of a token whose hashes
/// collide share a lane: they then wait for each other, but nothing else is affected.
struct LaneId {
    TokenId token = TokenId::none;
    std::uint64_t thread_hash = 0;

    friend bool operator==(const LaneId&, const LaneId&) = default;
};

/// Returns the hash of a thread key as stored in records: FNV-1a, 64 bits. Part of the spool
/// format.
std::uint64_t hash_thread(std::string_view thread_key) noexcept;

/// Generates UUIDv7 (RFC 9562, section 5.7) in the canonical form of 36 characters. Ids of one
/// generator sort in the order in which they were made. Owned by one thread.
class UuidGenerator {
public:
    explicit UuidGenerator(Random random) noexcept;
    std::string next(WallTime now);

private:
    Random random_;
    std::uint64_t last_ms_ = 0;
    std::uint32_t counter_ = 0;
};

}  // namespace flowrelay

template <>
struct std::hash<flowrelay::LaneId> {
    std::size_t operator()(const flowrelay::LaneId& lane) const noexcept {
        return static_cast<std::size_t>(lane.thread_hash ^
                                        (flowrelay::to_number(lane.token) * 0x9E3779B97F4A7C15ULL));
    }
};
