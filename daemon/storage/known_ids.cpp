#include "known_ids.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "flowrelay/storage/record_scanner.hpp"

namespace flowrelay::storage {

namespace {

using KnownId = EventQueue::KnownId;

/// Keeps the last ids of a segment.
class Sink final : public RecordSink {
public:
    Sink(WallTime since, std::size_t limit) : since_(since), limit_(limit) {}

    void record(const ScannedRecord& record) override {
        const RecordHeader& header = record.header;
        if (header.type != RecordType::event || !record.intact || header.accepted < since_ ||
            (header.flags & record_flag_own_id) == 0) {
            return;
        }
        auto event = read_event(header, record.payload);
        if (!event) return;
        ids.push_back({event->token, std::move(event->id), event->accepted});
        if (ids.size() > limit_) ids.pop_front();
    }
    void damage(std::uint64_t, std::uint64_t) override {}

    std::deque<KnownId> ids;

private:
    WallTime since_;
    std::size_t limit_;
};

}  // namespace

std::vector<KnownId> find_known_ids(const LogSegments& segments, WallTime since,
                                    std::size_t limit) {
    std::vector<KnownId> newest_first;
    const auto& all = segments.all();
    for (auto segment = all.rbegin(); segment != all.rend(); ++segment) {
        if (newest_first.size() >= limit) break;
        if (segment->newest_own_id < since) continue;
        Sink sink(since, limit - newest_first.size());
        const ScanRange range{segment_header_size, segment->end, ScanRange::Tail::exact};
        scan_records(*segment->file, range, segment->header.salt, sink);
        std::move(sink.ids.rbegin(), sink.ids.rend(), std::back_inserter(newest_first));
    }
    std::ranges::reverse(newest_first);
    return newest_first;
}

}  // namespace flowrelay::storage
