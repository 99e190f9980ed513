#include "known_ids.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/record_scanner.hpp"

namespace flowrelay::storage {

namespace {

using KnownId = EventQueue::KnownId;

// A row in a record of the journal: when it was accepted (8), token (8), length of the id (1), id.
constexpr std::size_t at_token = 8;
constexpr std::size_t at_length = 16;
constexpr std::size_t at_id = 17;
constexpr std::size_t max_id_length = 255;

// Ids in one record.
constexpr std::size_t ids_in_record = 4096;

JournalRecord to_record(std::span<const KnownId> ids) {
    JournalRecord record;
    record.header.type = RecordType::known_ids;
    for (const KnownId& known : ids) {
        const std::size_t at = record.payload.size();
        record.payload.resize(at + at_id + known.id.size());
        std::uint8_t* out = record.payload.data() + at;
        store_le(out, static_cast<std::uint64_t>(known.accepted.time_since_epoch().count()));
        store_le(out + at_token, to_number(known.token));
        out[at_length] = static_cast<std::uint8_t>(known.id.size());
        std::ranges::copy(known.id, out + at_id);
    }
    return record;
}

std::vector<JournalRecord> to_records(std::span<const KnownId> ids) {
    std::vector<JournalRecord> records;
    while (!ids.empty()) {
        const auto part = ids.first(std::min(ids.size(), ids_in_record));
        records.push_back(to_record(part));
        ids = ids.subspan(part.size());
    }
    return records;
}

/// Reads the ids of the journal.
class JournalSink final : public RecordSink {
public:
    explicit JournalSink(const std::function<bool(const KnownId&)>& wanted) : wanted_(wanted) {}

    void record(const ScannedRecord& record) override {
        if (record.header.type != RecordType::known_ids || !record.intact) {
            return damage(record.offset, record_size(record.header));
        }
        auto left = record.payload;
        while (left.size() >= at_id && left.size() >= at_id + left[at_length]) {
            const std::uint8_t* in = left.data();
            const std::size_t length = in[at_length];
            const auto accepted = static_cast<std::int64_t>(load_le<std::uint64_t>(in));
            KnownId known{TokenId{load_le<std::uint64_t>(in + at_token)},
                          std::string(as_text(left.subspan(at_id, length))),
                          WallTime(Milliseconds(accepted))};
            if (wanted_(known)) ids.push_back(std::move(known));
            left = left.subspan(at_id + length);
        }
    }
    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        damaged.push_back({offset, bytes});
    }

    std::vector<KnownId> ids;
    std::vector<JournalScan::Damage> damaged;

private:
    const std::function<bool(const KnownId&)>& wanted_;
};

/// Reads the last ids of a segment.
class SegmentSink final : public RecordSink {
public:
    SegmentSink(WallTime since, std::size_t limit) : since_(since), limit_(limit) {}

    void record(const ScannedRecord& record) override {
        const RecordHeader& header = record.header;
        if (header.type != RecordType::event || !record.intact || header.accepted < since_ ||
            (header.flags & record_flag_own_id) == 0) {
            return;
        }
        auto event = read_event(header, record.payload);
        if (!event || event->id.size() > max_id_length) return;
        ids.push_back({event->token, std::move(event->id), event->accepted});
        if (ids.size() > limit_) ids.pop_front();
    }
    void damage(std::uint64_t, std::uint64_t) override {}

    std::deque<KnownId> ids;

private:
    WallTime since_;
    std::size_t limit_;
};

std::deque<KnownId> ids_of(const Segment& segment, WallTime since, std::size_t limit) {
    SegmentSink sink(since, limit);
    const ScanRange range{segment_header_size, segment.end, ScanRange::Tail::exact};
    scan_records(*segment.file, range, segment.header.salt, sink);
    return std::move(sink.ids);
}

WallTime before(WallTime time, Milliseconds window) {
    return time > WallTime::min() + window ? time - window : WallTime::min();
}

}  // namespace

KnownIds::KnownIds(FileSystem& file_system, const std::string& directory, Milliseconds window,
                   std::size_t limit, Log& log)
    : path_(directory + "/" + file_name),
      window_(window),
      limit_(limit),
      log_(log),
      journal_(file_system, path_, JournalKind::known_ids) {}

Result<KnownIds::Contents> KnownIds::inspect(FileSystem& file_system, const std::string& path) {
    Contents contents;
    const Wanted none = [&contents](const KnownId&) {
        ++contents.ids;
        return false;
    };
    JournalSink sink(none);
    auto scan = RecordJournal::inspect(file_system, path, JournalKind::known_ids, sink);
    if (scan.has_error()) return scan.error();
    contents.file = std::move(*scan);
    contents.file.damage.insert(contents.file.damage.end(), sink.damaged.begin(),
                                sink.damaged.end());
    return contents;
}

void KnownIds::open() {
    const Wanted all = [this](const KnownId& known) {
        newest_ = std::max(newest_, known.accepted);
        return true;
    };
    JournalSink sink(all);
    auto there = journal_.exists();
    if (there.has_error()) return report(there.error());
    if (!*there) return;
    if (const auto opened = journal_.open(sink, log_); opened.has_error()) {
        report(opened.error());
        static_cast<void>(rewrite({}));
        return;
    }
    open_ = true;
    kept_ = sink.ids.size();
}

void KnownIds::keep(const Segment& segment) {
    newest_ = std::max(newest_, segment.newest_own_id);
    const WallTime since = before(newest_, window_);
    if (window_ == Milliseconds(0) || segment.newest_own_id == WallTime::min() ||
        segment.newest_own_id < since) {
        return;
    }
    const std::deque<KnownId> found = ids_of(segment, since, limit_);
    std::vector<KnownId> ids(found.begin(), found.end());
    Result<void> done;
    if (!open_ || journal_.broken() || kept_ + ids.size() > 2 * limit_) {
        auto old = read([since](const KnownId& known) { return known.accepted >= since; });
        if (old.has_value()) {
            old->insert(old->end(), ids.begin(), ids.end());
            if (old->size() > limit_) {
                old->erase(old->begin(), old->end() - static_cast<std::ptrdiff_t>(limit_));
            }
        }
        done = rewrite(old.has_value() ? *old : ids);
    } else {
        done = append(ids);
    }
    if (done.has_error()) report(done.error());
}

std::vector<KnownId> KnownIds::find(const LogSegments& segments, WallTime since,
                                    std::size_t limit) const {
    std::vector<KnownId> newest_first;
    const auto& all = segments.all();
    for (auto segment = all.rbegin(); segment != all.rend(); ++segment) {
        if (newest_first.size() >= limit) break;
        if (segment->newest_own_id < since) continue;
        auto ids = ids_of(*segment, since, limit - newest_first.size());
        std::move(ids.rbegin(), ids.rend(), std::back_inserter(newest_first));
    }
    auto kept = read([since](const KnownId& known) { return known.accepted >= since; });
    if (kept.has_value()) {
        for (auto known = kept->rbegin(); known != kept->rend(); ++known) {
            if (newest_first.size() >= limit) break;
            newest_first.push_back(std::move(*known));
        }
    }
    std::ranges::reverse(newest_first);
    std::ranges::stable_sort(newest_first, {}, &KnownId::accepted);
    return newest_first;
}

Result<void> KnownIds::erase(TokenId token) {
    if (!open_) return {};
    bool found = false;
    const auto others = read([&](const KnownId& known) {
        found = found || known.token == token;
        return known.token != token;
    });
    if (others.has_error()) return rewrite({});
    // What was cut off the end may hold them as well, but only until the next opening.
    return found || journal_.broken() ? rewrite(*others) : Result<void>();
}

Result<std::vector<KnownId>> KnownIds::read(const Wanted& wanted) const {
    JournalSink sink(wanted);
    if (!open_) return sink.ids;
    if (auto done = journal_.scan(sink); done.has_error()) return done.error();
    return std::move(sink.ids);
}

Result<void> KnownIds::rewrite(const std::vector<KnownId>& ids) {
    auto done = journal_.rewrite(to_records(ids));
    if (done.has_value()) {
        open_ = true;
        kept_ = ids.size();
    }
    return done;
}

Result<void> KnownIds::append(const std::vector<KnownId>& ids) {
    const auto done = journal_.append(to_records(ids));
    if (done.has_error()) return done.error();
    kept_ += ids.size();
    return {};
}

void KnownIds::report(const Error& error) {
    if (!failed_) {
        log_.write(core::log_events::spool_ids_failed,
                   {{"file", path_}, {"reason", error.message}});
    }
    failed_ = true;
}

}  // namespace flowrelay::storage
