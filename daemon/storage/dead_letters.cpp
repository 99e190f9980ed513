#include "flowrelay/storage/dead_letters.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/record_journal.hpp"

namespace flowrelay::storage {

namespace {

// Offsets in the payload of a letter.
constexpr std::size_t at_died = 0;
constexpr std::size_t at_attempts = 8;
constexpr std::size_t at_status = 12;
constexpr std::size_t at_outcome = 16;
constexpr std::size_t at_id_length = 18;
constexpr std::size_t at_thread_length = 20;
constexpr std::size_t at_reason_length = 24;
constexpr std::size_t at_errors_length = 28;
constexpr std::size_t at_text = 32;

constexpr std::size_t max_short_text = 65535;

// The file is made anew when more than this, and more than half of it, is of the past.
constexpr std::uint64_t compact_above = 1024 * 1024;

void append_text(std::uint8_t*& out, std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    out += text.size();
}

JournalRecord to_record(const DeadLetter& letter) {
    const EventRecord& event = letter.event;
    if (event.id.size() > max_short_text || event.thread.size() > max_short_text) {
        throw std::invalid_argument("an id or a thread key is longer than 65535 bytes");
    }
    const std::size_t length = at_text + producer_size(event) + event.id.size() +
                               event.thread.size() + letter.reason.size() +
                               letter.server_errors.size() + event.body.size();
    if (length >= max_payload_length) throw std::invalid_argument("a dead letter is too long");
    JournalRecord record;
    record.header.type = RecordType::letter;
    record.header.flags = event_flags(event);
    record.header.seq = letter.seq;
    record.header.token = event.token;
    record.header.thread_hash = event.thread_hash;
    record.header.accepted = event.accepted;
    record.header.expires = event.expires;
    record.payload.resize(length);
    std::uint8_t* out = record.payload.data();
    store_le(out + at_died, static_cast<std::uint64_t>(letter.died.time_since_epoch().count()));
    store_le(out + at_attempts, letter.attempts);
    store_le(out + at_status, static_cast<std::uint32_t>(letter.status));
    out[at_outcome] = static_cast<std::uint8_t>(letter.outcome);
    store_le(out + at_id_length, static_cast<std::uint16_t>(event.id.size()));
    store_le(out + at_thread_length, static_cast<std::uint16_t>(event.thread.size()));
    store_le(out + at_reason_length, static_cast<std::uint32_t>(letter.reason.size()));
    store_le(out + at_errors_length, static_cast<std::uint32_t>(letter.server_errors.size()));
    out = write_producer(out + at_text, event);
    append_text(out, event.id);
    append_text(out, event.thread);
    append_text(out, letter.reason);
    append_text(out, letter.server_errors);
    append_text(out, event.body);
    return record;
}

std::optional<DeadLetter> to_letter(const RecordHeader& header,
                                    std::span<const std::uint8_t> payload) {
    if (header.type != RecordType::letter || payload.size() < at_text) return std::nullopt;
    const std::uint8_t* in = payload.data();
    std::string_view text = as_text(payload.subspan(at_text));
    DeadLetter letter;
    if ((header.flags & record_flag_producer) != 0) {
        letter.event.producer = read_producer(text);
        if (!letter.event.producer) return std::nullopt;
    }
    const auto take = [&text](std::size_t length) {
        const std::string_view part = text.substr(0, length);
        text.remove_prefix(part.size());
        return std::string(part);
    };
    const std::size_t lengths[] = {load_le<std::uint16_t>(in + at_id_length),
                                   load_le<std::uint16_t>(in + at_thread_length),
                                   load_le<std::uint32_t>(in + at_reason_length),
                                   load_le<std::uint32_t>(in + at_errors_length)};
    if (lengths[0] + lengths[1] + lengths[2] + lengths[3] > text.size()) return std::nullopt;
    letter.seq = header.seq;
    letter.died =
        WallTime(Milliseconds(static_cast<std::int64_t>(load_le<std::uint64_t>(in + at_died))));
    letter.attempts = load_le<std::uint32_t>(in + at_attempts);
    letter.status = static_cast<int>(load_le<std::uint32_t>(in + at_status));
    letter.outcome = static_cast<core::Outcome>(in[at_outcome]);
    letter.event.token = header.token;
    letter.event.thread_hash = header.thread_hash;
    letter.event.accepted = header.accepted;
    letter.event.expires = header.expires;
    letter.event.own_id = (header.flags & record_flag_own_id) != 0;
    letter.event.id = take(lengths[0]);
    letter.event.thread = take(lengths[1]);
    letter.reason = take(lengths[2]);
    letter.server_errors = take(lengths[3]);
    letter.event.body = text;
    return letter;
}

/// Where a letter lies, and what is asked of it most.
struct Place {
    std::uint64_t offset = 0;
    std::size_t size = 0;
    TokenId token = TokenId::none;
    WallTime died;
};

using Index = std::map<Seq, Place>;

Place place_of(const RecordHeader& header, std::span<const std::uint8_t> payload,
               std::uint64_t offset) {
    const auto died = static_cast<std::int64_t>(load_le<std::uint64_t>(payload.data() + at_died));
    return {offset, record_size(header), header.token, WallTime(Milliseconds(died))};
}

JournalRecord removal_record(std::span<const Seq> seqs) {
    JournalRecord record;
    record.header.type = RecordType::letters_removed;
    record.payload.resize(seqs.size() * sizeof(std::uint64_t));
    for (std::size_t i = 0; i < seqs.size(); ++i) {
        store_le(record.payload.data() + i * sizeof(std::uint64_t), to_number(seqs[i]));
    }
    return record;
}

class Loader final : public RecordSink {
public:
    Loader(std::string path, Log& log) : path_(std::move(path)), log_(log) {}

    void record(const ScannedRecord& record) override {
        if (record.intact && to_letter(record.header, record.payload)) {
            index.insert_or_assign(record.header.seq,
                                   place_of(record.header, record.payload, record.offset));
        } else if (record.intact && record.header.type == RecordType::letters_removed) {
            for (std::size_t at = 0; at + 8 <= record.payload.size(); at += 8) {
                index.erase(Seq{load_le<std::uint64_t>(record.payload.data() + at)});
            }
        } else {
            damage(record.offset, record_size(record.header));
        }
    }
    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        damaged.push_back({offset, bytes});
        log_.write(core::log_events::spool_damaged,
                   {{"file", path_}, {"offset", offset}, {"bytes", bytes}});
    }

    Index index;
    std::vector<JournalScan::Damage> damaged;

private:
    std::string path_;
    Log& log_;
};

class JournalDeadLetters final : public DeadLetters {
public:
    JournalDeadLetters(RecordJournal journal, Index index, Log& log)
        : journal_(std::move(journal)), index_(std::move(index)), log_(log) {
        for (const auto& [seq, place] : index_) live_bytes_ += place.size;
    }

    Result<void> add(std::span<const DeadLetter> letters) override {
        if (letters.empty()) return {};
        if (auto ready = make_ready(); ready.has_error()) return ready;
        std::vector<JournalRecord> records;
        records.reserve(letters.size());
        for (const DeadLetter& letter : letters) records.push_back(to_record(letter));
        const auto first = journal_.append(records);
        if (first.has_error()) return first.error();
        std::uint64_t offset = *first;
        for (JournalRecord& record : records) {
            record.header.payload_length = static_cast<std::uint32_t>(record.payload.size());
            const Place place = place_of(record.header, record.payload, offset);
            drop(record.header.seq);
            index_.emplace(record.header.seq, place);
            live_bytes_ += place.size;
            offset += place.size;
        }
        return {};
    }

    std::vector<DeadLetter> list(std::size_t limit) const override {
        std::vector<std::pair<WallTime, Seq>> order;
        order.reserve(index_.size());
        for (const auto& [seq, place] : index_) order.emplace_back(place.died, seq);
        limit = std::min(limit, order.size());
        const auto end = order.begin() + static_cast<std::ptrdiff_t>(limit);
        std::partial_sort(order.begin(), end, order.end());
        std::vector<DeadLetter> letters;
        for (auto at = order.begin(); at != end; ++at) {
            const Place& place = index_.at(at->second);
            DeadLetter letter;
            letter.seq = at->second;
            letter.event.token = place.token;
            letter.died = place.died;
            letter.reason = "its record can't be read";
            if (auto read = read_at(place); read.has_value()) letter = std::move(*read);
            letter.event.body.clear();
            letters.push_back(std::move(letter));
        }
        return letters;
    }

    Result<DeadLetter> read(Seq seq) override {
        const auto found = index_.find(seq);
        if (found == index_.end()) {
            return Error{QueueErrc::not_found,
                         fmt::format("event {} is not among the dead letters", to_number(seq))};
        }
        return read_at(found->second);
    }

    Result<std::uint64_t> remove(std::span<const Seq> seqs) override {
        std::vector<Seq> present;
        for (const Seq seq : seqs) {
            if (index_.contains(seq)) present.push_back(seq);
        }
        std::sort(present.begin(), present.end());
        present.erase(std::unique(present.begin(), present.end()), present.end());
        if (present.empty()) return 0;
        if (auto ready = make_ready(); ready.has_error()) return ready.error();
        const JournalRecord record = removal_record(present);
        if (auto added = journal_.append({&record, 1}); added.has_error()) return added.error();
        for (const Seq seq : present) drop(seq);
        return present.size();
    }

    Result<std::uint64_t> erase(TokenId token) override {
        Index kept = index_;
        const std::size_t erased =
            std::erase_if(kept, [token](const auto& item) { return item.second.token == token; });
        // Also when none is left of it: its removed letters may still be in the file.
        if (auto done = rewrite(std::move(kept)); done.has_error()) return done.error();
        return erased;
    }

    std::uint64_t size() const override { return index_.size(); }

private:
    class Survivors;

    Result<DeadLetter> read_at(const Place& place) const {
        const auto record = journal_.read(place.offset, place.size);
        if (record.has_error()) return Error{QueueErrc::damaged, record.error().message};
        auto letter = to_letter(record->header, record->payload);
        if (!letter) return Error{QueueErrc::damaged, "a dead letter makes no sense"};
        return std::move(*letter);
    }

    void drop(Seq seq) {
        const auto found = index_.find(seq);
        if (found == index_.end()) return;
        live_bytes_ -= found->second.size;
        index_.erase(found);
    }

    /// For a change: a new file if the old one can't be used or is mostly of the past.
    Result<void> make_ready() {
        const std::uint64_t past = journal_.end() - journal_header_size - live_bytes_;
        if (!journal_.broken() && (past < compact_above || past < live_bytes_)) return {};
        return rewrite(index_);
    }

    Result<void> rewrite(Index kept);

    RecordJournal journal_;
    Index index_;
    std::uint64_t live_bytes_ = 0;
    Log& log_;
};

/// Reads the letters that are kept out of the old file, and notes where they lie in the new one.
class JournalDeadLetters::Survivors final : public RecordJournal::Source {
public:
    Survivors(RecordJournal& journal, Index& kept, Log& log)
        : journal_(journal), kept_(kept), log_(log), at_(kept.begin()) {}

    bool next(JournalRecord& out) override {
        while (at_ != kept_.end()) {
            auto record = journal_.read(at_->second.offset, at_->second.size);
            if (record.has_value()) {
                at_->second.offset = end_;
                end_ += at_->second.size;
                ++at_;
                out = std::move(*record);
                return true;
            }
            // One that can't be read must not keep the others from being erased.
            log_.write(core::log_events::spool_damaged, {{"file", journal_.path()},
                                                         {"offset", at_->second.offset},
                                                         {"bytes", at_->second.size},
                                                         {"reason", record.error().message}});
            at_ = kept_.erase(at_);
        }
        return false;
    }

private:
    RecordJournal& journal_;
    Index& kept_;
    Log& log_;
    Index::iterator at_;
    std::uint64_t end_ = journal_header_size;
};

Result<void> JournalDeadLetters::rewrite(Index kept) {
    Survivors survivors(journal_, kept, log_);
    const std::uint64_t before = journal_.generation();
    const auto done = journal_.rewrite(survivors);
    // If only the directory could not be synced, the new file is in use all the same.
    if (journal_.generation() == before) return done;
    index_ = std::move(kept);
    live_bytes_ = 0;
    for (const auto& [seq, place] : index_) live_bytes_ += place.size;
    return done;
}

}  // namespace

Result<std::unique_ptr<DeadLetters>> DeadLetters::open(FileSystem& file_system,
                                                       const std::string& path, Log& log) {
    RecordJournal journal(file_system, path, JournalKind::dead_letters);
    const auto exists = journal.exists();
    if (exists.has_error()) return exists.error();
    Loader loaded(path, log);
    if (*exists) {
        if (auto opened = journal.open(loaded, log); opened.has_error()) return opened.error();
    } else if (auto made = journal.rewrite(std::span<const JournalRecord>()); made.has_error()) {
        return made.error();
    }
    return std::unique_ptr<DeadLetters>(
        std::make_unique<JournalDeadLetters>(std::move(journal), std::move(loaded.index), log));
}

Result<DeadLetters::Contents> DeadLetters::inspect(FileSystem& file_system,
                                                   const std::string& path) {
    NullLog silent;
    Loader loaded(path, silent);
    auto scan = RecordJournal::inspect(file_system, path, JournalKind::dead_letters, loaded);
    if (scan.has_error()) return scan.error();
    scan->damage.insert(scan->damage.begin(), loaded.damaged.begin(), loaded.damaged.end());
    return Contents{std::move(*scan), loaded.index.size()};
}

}  // namespace flowrelay::storage
