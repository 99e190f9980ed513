#include "segment_wipe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "record_scanner.hpp"
#include "write_zeros.hpp"

namespace flowrelay::storage {

namespace {

struct Range {
    std::uint64_t offset;
    std::uint64_t bytes;
};

class WipeSink final : public RecordSink {
public:
    WipeSink(const ErasedTokens& wanted, std::vector<Range>& out) : tokens_(wanted), out_(out) {}
    void record(const ScannedRecord& record) override {
        const RecordHeader& header = record.header;
        if (header.type != RecordType::event || !tokens_.contains(header.token)) return;
        out_.push_back(
            {record.offset + record_header_size, record_size(header) - record_header_size});
    }
    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        out_.push_back({offset, bytes});
    }

private:
    const ErasedTokens& tokens_;
    std::vector<Range>& out_;
};

Result<void> fill_with_zeros(File& file, const std::vector<Range>& ranges) {
    if (ranges.empty()) return {};
    for (const Range& range : ranges) {
        auto done = write_zeros(file, range.offset, range.bytes);
        if (done.has_error()) return done;
    }
    return file.sync();
}

}  // namespace

Result<std::uint64_t> wipe_records(Segment& segment, const ErasedTokens& tokens, std::uint64_t from,
                                   std::uint64_t budget, const std::string& path) {
    std::vector<Range> ranges;
    WipeSink sink(tokens, ranges);
    ScanRange range{from, segment.end, ScanRange::Tail::exact};
    range.pause_at = from + budget;
    const ScanResult scanned = scan_records(*segment.file, range, segment.header.salt, sink);
    // What looks like damage may be events of other tokens.
    if (scanned.unreadable) return unreadable_error(path, *scanned.unreadable);
    auto done = fill_with_zeros(*segment.file, ranges);
    if (done.has_error()) return done.error();
    return scanned.end;
}

Result<std::uint64_t> wipe_tail(Segment& segment, std::uint64_t from, std::uint64_t budget) {
    from = std::max(from, segment.end);
    const std::uint64_t bytes = std::min(budget, segment.size - std::min(segment.size, from));
    if (bytes == 0) return segment.size;
    auto done = fill_with_zeros(*segment.file, {{from, bytes}});
    if (done.has_error()) return done.error();
    return from + bytes;
}

}  // namespace flowrelay::storage
