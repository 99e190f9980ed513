// One segment of the log, open.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/record.hpp"
#include "flowrelay/storage/segment_header.hpp"
#include "live_index.hpp"

namespace flowrelay::storage {

/// The tokens that have records in a segment, so that erasure knows which to read.
class TokenSet {
public:
    void add(TokenId token) {
        if (token == last_ && !tokens_.empty()) return;  // events of one token come in runs
        last_ = token;
        const auto at = std::lower_bound(tokens_.begin(), tokens_.end(), token);
        if (at == tokens_.end() || *at != token) tokens_.insert(at, token);
    }
    bool contains(TokenId token) const noexcept {
        return std::binary_search(tokens_.begin(), tokens_.end(), token);
    }

private:
    std::vector<TokenId> tokens_;
    TokenId last_ = TokenId::none;
};

struct Segment {
    SegmentHeader header;
    std::unique_ptr<File> file;
    std::uint64_t size = 0;                         ///< of the file
    std::uint64_t end = segment_header_size;        ///< behind the last record
    std::uint64_t dirty_end = segment_header_size;  ///< behind all that was ever written to it
    std::uint32_t last_commit = 0;                  ///< the highest number that was used
    bool damaged = false;                           ///< some bytes hold no readable record
    LiveIndex live;
    TokenSet tokens;
    WallTime newest_own_id = WallTime::min();  ///< of acceptance, among events with own_id

    /// Notes an event that was written or found.
    void add(const RecordHeader& event, std::uint64_t offset) {
        tokens.add(event.token);
        if ((event.flags & record_flag_own_id) != 0) {
            newest_own_id = std::max(newest_own_id, event.accepted);
        }
        LiveEvent entry;
        entry.seq = event.seq;
        entry.token = event.token;
        entry.thread_hash = event.thread_hash;
        entry.accepted = event.accepted;
        entry.expires = event.expires;
        entry.offset = static_cast<std::uint32_t>(offset);
        entry.bytes = static_cast<std::uint32_t>(record_size(event)) & 0x7FFFFFFF;
        live.add(entry);
    }
};

}  // namespace flowrelay::storage
