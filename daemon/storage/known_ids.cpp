#include "known_ids.hpp"

#include <algorithm>
#include <utility>

#include "flowrelay/core/log_events.hpp"
#include "record_scanner.hpp"

namespace flowrelay::storage {

namespace {

using KnownId = EventQueue::KnownId;

// Records per write and sync: about 30,000 ids.
constexpr std::size_t records_in_append = 8;

// Bytes read by one step of an erasure.
constexpr std::uint64_t step_bytes = 1024 * 1024;

/// Selects the ids within the window; they must be passed in the order of acceptance. All ids after
/// the first one within the window count as within it too: the clock may have been set back.
class Window {
public:
    explicit Window(WallTime since) : since_(since) {}
    bool holds(WallTime accepted) noexcept {
        reached_ = reached_ || accepted >= since_;
        return reached_;
    }

private:
    WallTime since_;
    bool reached_ = false;
};

/// Reads the ids of the journal.
class JournalSink final : public RecordSink {
public:
    explicit JournalSink(const IdRows::Use& use) : use_(use) {}

    void record(const ScannedRecord& record) override {
        if (record.header.type != RecordType::known_ids || !record.intact) {
            return damage(record.offset, record_size(record.header));
        }
        places.push_back({record.offset, record_size(record.header)});
        IdRows::read(record.payload, use_);
    }
    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        damaged.push_back({offset, bytes});
    }

    std::vector<KnownIds::Place> places;  ///< positions of the records
    std::vector<JournalScan::Damage> damaged;

private:
    const IdRows::Use& use_;
};

/// Reads the ids of a segment.
class SegmentSink final : public RecordSink {
public:
    SegmentSink(WallTime since, IdRows& ids) : window_(since), ids_(ids) {}

    void record(const ScannedRecord& record) override {
        const RecordHeader& header = record.header;
        if (header.type != RecordType::event || !record.intact ||
            (header.flags & record_flag_own_id) == 0 || !window_.holds(header.accepted)) {
            return;
        }
        const auto id = read_event_id(header, record.payload);
        if (!id || id->size() > IdRows::max_id_length) return;
        ids_.add({header.token, *id, header.accepted});
    }
    void damage(std::uint64_t, std::uint64_t) override {}

private:
    Window window_;
    IdRows& ids_;
};

Result<void> add_ids_of(const Segment& segment, WallTime since, IdRows& ids) {
    SegmentSink sink(since, ids);
    const ScanRange range{segment_header_size, segment.end, ScanRange::Tail::exact};
    const ScanResult scanned = scan_records(*segment.file, range, segment.header.salt, sink);
    if (!scanned.unreadable) return {};
    return unreadable_error(LogFiles::segment_name(segment.header.number), *scanned.unreadable);
}

JournalRecord record_of(std::vector<std::uint8_t> rows) {
    JournalRecord record;
    record.header.type = RecordType::known_ids;
    record.payload = std::move(rows);
    return record;
}

/// The records of a new journal.
class RowsSource final : public RecordJournal::Source {
public:
    RowsSource(IdRows& older, IdRows* newer) : older_(older), newer_(newer) {}
    bool next(JournalRecord& out) override {
        const bool is_newer = older_.size() == 0 && newer_ != nullptr;
        out = record_of(is_newer ? newer_->take() : older_.take());
        if (out.payload.empty()) return false;
        places.push_back({end_, record_size(out.payload.size())});
        end_ += places.back().size;
        return true;
    }

    std::vector<KnownIds::Place> places;

private:
    IdRows& older_;
    IdRows* newer_;  ///< may be null
    std::uint64_t end_ = journal_header_size;
};

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
    const IdRows::Use count = [&contents](const KnownId&) { ++contents.ids; };
    JournalSink sink(count);
    auto scan = RecordJournal::inspect(file_system, path, JournalKind::known_ids, sink);
    if (scan.has_error()) return scan.error();
    contents.file = std::move(*scan);
    contents.file.damage.insert(contents.file.damage.end(), sink.damaged.begin(),
                                sink.damaged.end());
    return contents;
}

Result<void> KnownIds::open() {
    std::size_t ids = 0;
    const IdRows::Use look = [&ids](const KnownId&) { ++ids; };
    JournalSink sink(look);
    auto there = journal_.exists();
    if (there.has_error()) return there.error();
    if (!*there) return {};
    if (const auto opened = journal_.open(sink, log_); opened.has_error()) {
        // A file that can't be read or has a newer format is left as it is.
        if (!RecordJournal::is_damaged(opened.error())) return opened.error();
        report(opened.error());
        IdRows none(limit_);
        static_cast<void>(rewrite(none));
        return {};
    }
    open_ = true;
    kept_ = ids;
    places_ = std::move(sink.places);
    damaged_ = !sink.damaged.empty();
    return {};
}

void KnownIds::keep(const Segment& segment) {
    if (window_ == Milliseconds(0) || segment.newest_own_id == WallTime::min()) return;
    const WallTime since = before(segment.newest_own_id, window_);
    IdRows ids(limit_);
    if (auto read = add_ids_of(segment, since, ids); read.has_error()) report(read.error());
    Result<void> done;
    if (!open_ || journal_.broken() || kept_ + ids.size() > 2 * limit_) {
        IdRows older(limit_ - std::min(limit_, ids.size()));
        Window window(since);
        done = read([&](const KnownId& known) {
            if (window.holds(known.accepted) && ids.size() < limit_) older.add(known);
        });
        if (done.has_value()) done = rewrite(older, &ids);
    } else {
        done = append(ids);
    }
    if (done.has_error()) report(done.error());
}

void KnownIds::find(const LogSegments& segments, WallTime since, std::size_t limit,
                    const IdRows::Use& use) {
    std::vector<IdRows> newest_first;
    std::size_t found = 0;
    const auto& all = segments.all();
    for (auto segment = all.rbegin(); segment != all.rend() && found < limit; ++segment) {
        if (segment->newest_own_id < since) continue;
        newest_first.emplace_back(limit - found);
        if (auto read = add_ids_of(*segment, since, newest_first.back()); read.has_error()) {
            report(read.error());
        }
        found += newest_first.back().size();
    }
    if (found < limit) {
        newest_first.emplace_back(limit - found);
        IdRows& kept = newest_first.back();
        Window window(since);
        const auto done = read([&kept, &window](const KnownId& known) {
            if (window.holds(known.accepted)) kept.add(known);
        });
        if (done.has_error()) report(done.error());
        found += kept.size();
    }
    std::size_t skip = found - std::min(found, limit);
    for (auto ids = newest_first.rbegin(); ids != newest_first.rend(); ++ids) {
        ids->for_each(use, skip);
        skip -= std::min(skip, ids->size());
    }
}

Result<bool> KnownIds::erase_some(const std::unordered_set<TokenId>& tokens) {
    // Another rewrite may have replaced the file meanwhile.
    const bool lost =
        erasure_.generation != journal_.generation() || (erasure_.copies && !journal_.has_draft());
    if (!erasure_.begun || lost) {
        if (auto begun = begin_pass(false); begun.has_error()) return begun.error();
    }
    // Without an open journal, there may still be a file that could be neither read nor replaced.
    if (!open_) return finish_erasure();
    for (std::uint64_t bytes = 0; erasure_.next < places_.size() && bytes < step_bytes;) {
        const Place place = places_[erasure_.next];
        const auto found = look_at(place, tokens);
        if (found.has_error()) {
            journal_.drop_draft();
            erasure_ = Erasure();
            return found.error();
        }
        ++erasure_.next;
        bytes += place.size;
        if (*found && !erasure_.copies) {
            if (auto begun = begin_pass(true); begun.has_error()) return begun.error();
            return false;
        }
    }
    if (erasure_.next == places_.size()) return finish_erasure();
    // Leaves little to be synced at the end.
    auto synced = erasure_.copies ? journal_.sync_draft() : Result<void>();
    if (synced.has_error()) {
        journal_.drop_draft();
        erasure_ = Erasure();
        return synced.error();
    }
    return false;
}

Result<void> KnownIds::begin_pass(bool copies) {
    erasure_ = Erasure();
    erasure_.begun = true;
    // Unreadable parts may contain such ids, and so may what was cut off the end, until the journal
    // is opened again.
    erasure_.copies = copies || damaged_ || journal_.broken();
    erasure_.generation = journal_.generation();
    // Also removes the file of a failed rewrite.
    journal_.drop_draft();
    const auto there = journal_.exists();
    if (there.has_error()) return there.error();
    erasure_.copies = erasure_.copies || (!open_ && *there);
    return erasure_.copies ? journal_.begin_draft() : Result<void>();
}

/// Returns whether the record has ids of the tokens. Copies the other ids in a pass that copies.
Result<bool> KnownIds::look_at(const Place& place, const std::unordered_set<TokenId>& tokens) {
    const auto record = journal_.read(place.offset, place.size);
    if (record.has_error()) {
        const bool is_damaged = record.error().code == boost::system::errc::bad_message;
        if (!is_damaged) return unreadable_error(path_, place.offset, record.error());
        return true;
    }
    bool found = false;
    IdRows others(limit_);
    IdRows::read(record->payload, [&](const KnownId& known) {
        if (tokens.contains(known.token)) {
            found = true;
        } else {
            others.add(known);
        }
    });
    while (erasure_.copies && others.size() > 0) {
        const std::size_t before = others.size();
        const JournalRecord copy = record_of(others.take());
        const std::uint64_t offset = journal_.draft_end();
        if (auto done = journal_.draft(copy); done.has_error()) return done.error();
        erasure_.copied.push_back(
            {offset, static_cast<std::size_t>(journal_.draft_end() - offset)});
        erasure_.kept += before - others.size();
    }
    return found;
}

Result<bool> KnownIds::finish_erasure() {
    Erasure erasure = std::exchange(erasure_, Erasure());
    if (!erasure.copies) return true;
    const auto done = journal_.put_draft_in_place();
    if (journal_.generation() != erasure.generation) {
        open_ = true;
        kept_ = erasure.kept;
        places_ = std::move(erasure.copied);
        damaged_ = false;
    }
    if (done.has_error()) return done.error();
    return true;
}

Result<void> KnownIds::read(const IdRows::Use& use) const {
    if (!open_) return {};
    JournalSink sink(use);
    return journal_.scan(sink);
}

Result<void> KnownIds::rewrite(IdRows& older, IdRows* newer) {
    const std::size_t count = older.size() + (newer != nullptr ? newer->size() : 0);
    const std::uint64_t before = journal_.generation();
    RowsSource source(older, newer);
    auto done = journal_.rewrite(source);
    if (journal_.generation() != before) {
        open_ = true;
        kept_ = count;
        places_ = std::move(source.places);
        damaged_ = false;
    }
    return done;
}

Result<void> KnownIds::append(IdRows& ids) {
    while (ids.size() > 0) {
        std::vector<JournalRecord> records;
        const std::size_t before = ids.size();
        while (ids.size() > 0 && records.size() < records_in_append) {
            records.push_back(record_of(ids.take()));
        }
        const auto first = journal_.append(records);
        if (first.has_error()) return first.error();
        std::uint64_t offset = *first;
        for (const JournalRecord& record : records) {
            places_.push_back({offset, record_size(record.payload.size())});
            offset += places_.back().size;
        }
        kept_ += before - ids.size();
    }
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
