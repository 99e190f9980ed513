#include "segment_wipe.hpp"

#include <algorithm>
#include <vector>

#include "flowrelay/storage/record_scanner.hpp"
#include "write_zeros.hpp"

namespace flowrelay::storage {

namespace {

struct Range {
    std::uint64_t offset;
    std::uint64_t bytes;
};

class Sink final : public RecordSink {
public:
    Sink(TokenId wanted, std::vector<Range>& out) : token_(wanted), out_(out) {}
    void record(const ScannedRecord& record) override {
        if (record.header.type != RecordType::event || record.header.token != token_) return;
        out_.push_back(
            {record.offset + record_header_size, record_size(record.header) - record_header_size});
    }
    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        out_.push_back({offset, bytes});
    }

private:
    TokenId token_;
    std::vector<Range>& out_;
};

Result<void> fill_with_zeros(File& file, const std::vector<Range>& ranges) {
    for (const Range& range : ranges) {
        auto done = write_zeros(file, range.offset, range.bytes);
        if (done.has_error()) return done;
    }
    return file.sync();
}

Result<void> wipe(Segment& segment, std::vector<Range> ranges) {
    if (segment.tail_dirty && segment.end < segment.size) {
        ranges.push_back({segment.end, segment.size - segment.end});
    }
    auto done = fill_with_zeros(*segment.file, ranges);
    if (done.has_value()) segment.tail_dirty = false;
    return done;
}

}  // namespace

Result<void> wipe_token(Segment& segment, TokenId token, const std::string& path) {
    std::vector<Range> ranges;
    Sink sink(token, ranges);
    const ScanRange range{segment_header_size, segment.end, ScanRange::Tail::exact};
    const ScanResult scanned = scan_records(*segment.file, range, segment.header.salt, sink);
    // What looks like damage may be other tokens' events.
    if (scanned.unreadable) return unreadable_error(path, *scanned.unreadable);
    return wipe(segment, std::move(ranges));
}

Result<void> wipe_tail(Segment& segment) {
    if (!segment.tail_dirty) return {};
    return wipe(segment, {});
}

}  // namespace flowrelay::storage
