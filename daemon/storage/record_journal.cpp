#include "record_journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/path.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::string_view journal_magic = "FlowrJrn";

// Magic, version and checksum keep their offsets in all future versions.
constexpr std::size_t at_journal_version = 8;
constexpr std::size_t at_journal_salt = 12;
constexpr std::size_t at_kind = 16;
constexpr std::size_t at_journal_durable_end = 24;
constexpr std::size_t at_journal_crc = journal_header_size - 4;

constexpr std::size_t write_size = 256 * 1024;

Error damaged_error(std::string message) {
    return {boost::system::errc::make_error_code(boost::system::errc::io_error),
            std::move(message)};
}

void append_record(std::vector<std::uint8_t>& out, const JournalRecord& record, CommitMark commit,
                   std::uint32_t salt) {
    const std::size_t at = out.size();
    out.resize(at + record_size(record.payload.size()));
    std::ranges::copy(record.payload, out.data() + at + record_header_size);  // may be empty
    RecordHeader header = record.header;
    header.commit = commit;
    seal_record(out.data() + at, header, record.payload.size(), salt);
}

class SpanSource final : public RecordJournal::Source {
public:
    explicit SpanSource(std::span<const JournalRecord> records) : left_(records) {}
    bool next(JournalRecord& out) override {
        if (left_.empty()) return false;
        out = left_.front();
        left_ = left_.subspan(1);
        return true;
    }

private:
    std::span<const JournalRecord> left_;
};

std::uint32_t newest_version(JournalKind kind) {
    return kind == JournalKind::registry ? filter_version : journal_version;
}

std::array<std::uint8_t, journal_header_size> header_bytes(std::uint32_t version,
                                                           std::uint32_t salt, JournalKind kind,
                                                           std::uint64_t durable_end) {
    std::array<std::uint8_t, journal_header_size> header{};
    std::memcpy(header.data(), journal_magic.data(), journal_magic.size());
    store_le(header.data() + at_journal_version, version);
    store_le(header.data() + at_journal_salt, salt);
    store_le(header.data() + at_kind, static_cast<std::uint32_t>(kind));
    store_le(header.data() + at_journal_durable_end, durable_end);
    store_le(header.data() + at_journal_crc, crc32c({header.data(), at_journal_crc}));
    return header;
}

}  // namespace

RecordJournal::RecordJournal(FileSystem& file_system, std::string path, JournalKind kind)
    : file_system_(file_system), path_(std::move(path)), kind_(kind) {}

bool RecordJournal::is_damaged(const Error& error) noexcept {
    return error.code == boost::system::errc::make_error_code(boost::system::errc::io_error);
}

Result<std::optional<std::uint64_t>> RecordJournal::durable_size(File& file) {
    std::array<std::uint8_t, journal_header_size> header{};
    const auto got = file.read_at(0, header);
    if (got.has_error()) return got.error();
    const std::uint8_t* in = header.data();
    const bool is_journal =
        *got == header.size() && std::memcmp(in, journal_magic.data(), journal_magic.size()) == 0 &&
        load_le<std::uint32_t>(in + at_journal_crc) == crc32c({in, at_journal_crc});
    const auto kind = static_cast<JournalKind>(load_le<std::uint32_t>(in + at_kind));
    if (!is_journal || kind == JournalKind::registry) return std::optional<std::uint64_t>();
    return std::optional(load_le<std::uint64_t>(in + at_journal_durable_end));
}

Result<bool> RecordJournal::exists() {
    auto left_over = file_system_.exists(temporary_path());
    if (left_over.has_error()) return left_over.error();
    if (*left_over) {
        auto done = file_system_.remove(temporary_path());
        if (done.has_value()) done = file_system_.sync_directory(parent_of(path_));
        if (done.has_error()) return done.error();
    }
    return file_system_.exists(path_);
}

Result<void> RecordJournal::open(RecordSink& sink, Log& log) {
    auto file = file_system_.open(path_);
    if (file.has_error()) return file.error();
    file_ = std::move(*file);
    const auto size = file_->size();
    if (size.has_error()) return size.error();
    const auto durable_end = read_header();
    if (durable_end.has_error()) return durable_end.error();

    ScanRange range{journal_header_size, *size, ScanRange::Tail::unknown, *durable_end};
    const ScanResult scanned = scan_records(*file_, range, salt_, sink);
    // Do not cut it off: the disk may return it another time.
    if (scanned.unreadable) return unreadable_error(path_, *scanned.unreadable);
    if (*size < *durable_end) {
        cut_short_ = true;
        return damaged_error(fmt::format("{} was cut short: {} of {} bytes are missing", path_,
                                         *durable_end - *size, *durable_end));
    }
    end_ = scanned.end;
    last_commit_ = scanned.highest_commit;
    if (*size > end_) {
        log.write(core::log_events::spool_tail_cut,
                  {{"file", path_}, {"offset", end_}, {"bytes", *size - end_}});
    }
    return make_durable(scanned, *size);
}

Result<JournalScan> RecordJournal::inspect(FileSystem& file_system, const std::string& path,
                                           JournalKind kind, RecordSink& sink) {
    RecordJournal journal(file_system, path, kind);
    auto file = file_system.open_read_only(path);
    if (file.has_error()) return file.error();
    journal.file_ = std::move(*file);
    const auto size = journal.file_->size();
    if (size.has_error()) return size.error();
    const auto durable_end = journal.read_header();
    if (durable_end.has_error()) return durable_end.error();

    const ScanRange range{journal_header_size, *size, ScanRange::Tail::unknown, *durable_end};
    const ScanResult scanned = scan_records(*journal.file_, range, journal.salt_, sink);
    JournalScan result{*size, scanned.end, {}};
    if (scanned.unreadable) {
        result.damage.push_back({scanned.unreadable->offset, scanned.unreadable->bytes});
        result.end = *size;
    }
    if (*size < *durable_end) result.damage.push_back({*size, *durable_end - *size});
    return result;
}

Result<std::uint64_t> RecordJournal::read_header() {
    std::array<std::uint8_t, journal_header_size> header{};
    const auto got = file_->read_at(0, header);
    if (got.has_error()) return unreadable_error(path_, 0, got.error());
    const auto size = file_->size();
    if (size.has_error()) return size.error();
    if (*got < std::min<std::uint64_t>(header.size(), *size)) {
        return unreadable_error(path_, *got, short_read_error());
    }
    const std::uint8_t* in = header.data();
    if (*got < header.size() || std::memcmp(in, journal_magic.data(), journal_magic.size()) != 0 ||
        load_le<std::uint32_t>(in + at_journal_crc) != crc32c({in, at_journal_crc})) {
        return damaged_error(fmt::format("the header of {} (offset 0) is damaged", path_));
    }
    const auto version = load_le<std::uint32_t>(in + at_journal_version);
    if (version > newest_version(kind_)) {
        return Error{
            boost::system::errc::make_error_code(boost::system::errc::not_supported),
            fmt::format("{} has format {}, and this program reads formats up to {}: use the newer "
                        "flowrelayd that wrote it",
                        path_, version, newest_version(kind_))};
    }
    if (load_le<std::uint32_t>(in + at_kind) != static_cast<std::uint32_t>(kind_)) {
        return damaged_error(fmt::format("{} is a file for another purpose", path_));
    }
    salt_ = load_le<std::uint32_t>(in + at_journal_salt);
    version_ = std::max(version, journal_version);
    return load_le<std::uint64_t>(in + at_journal_durable_end);
}

// Writes the last commit again, since what was read may never have reached the disk (see
// LogRecovery::make_durable), then the header with the durable end, which upgrades earlier formats.
Result<void> RecordJournal::make_durable(const ScanResult& scanned, std::uint64_t size) {
    Result<void> done;
    constexpr std::uint32_t first_append = 2;
    if (done.has_value() && scanned.last_commit.number >= first_append) {
        std::vector<std::uint8_t> bytes(
            static_cast<std::size_t>(scanned.end - scanned.last_commit.offset));
        const auto got = file_->read_at(scanned.last_commit.offset, bytes);
        if (got.has_error() || *got < bytes.size()) {
            return unreadable_error(path_, scanned.last_commit.offset,
                                    got.has_error() ? got.error() : short_read_error());
        }
        done = file_->write_at(scanned.last_commit.offset, bytes);
    }
    if (done.has_value() && size > scanned.end) done = file_->truncate(scanned.end);
    if (done.has_value()) done = file_->sync();
    if (done.has_value()) done = confirm();
    if (done.has_value()) done = file_system_.sync_directory(parent_of(path_));
    return done;
}

Result<void> RecordJournal::confirm() {
    if (!file_ || broken_) return {};  // the state after the last success is unknown
    auto done = file_->write_at(0, header_bytes(version_, salt_, kind_, end_));
    if (done.has_value()) done = file_->sync();
    return done;
}

Result<void> RecordJournal::rewrite(std::span<const JournalRecord> records, std::uint32_t version) {
    SpanSource source(records);
    return rewrite(source, version);
}

Result<void> RecordJournal::rewrite(Source& source, std::uint32_t version) {
    if (auto begun = begin_draft(version); begun.has_error()) return begun;
    JournalRecord record;
    Result<void> done;
    while (done.has_value() && source.next(record)) done = draft(record);
    if (auto failed = source.failure(); done.has_value() && failed) done = *failed;
    if (done.has_value()) return put_draft_in_place();
    drop_draft();
    return done;
}

Result<void> RecordJournal::begin_draft(std::uint32_t version) {
    drop_draft();
    auto file = file_system_.create(temporary_path());
    if (file.has_error()) return file.error();
    const auto salt = static_cast<std::uint32_t>(Random::from_system().next());
    draft_ = Draft{std::move(*file), salt, version, journal_header_size, {}};
    return {};
}

/// All records belong to one commit; the header says that it is complete.
Result<void> RecordJournal::draft(const JournalRecord& record) {
    append_record(draft_->buffer, record, CommitMark{1, journal_header_size}, draft_->salt);
    return draft_->buffer.size() < write_size ? Result<void>() : flush_draft();
}

Result<void> RecordJournal::flush_draft() {
    auto done = draft_->file->write_at(draft_->end, draft_->buffer);
    if (done.has_error()) return done;
    draft_->end += draft_->buffer.size();
    draft_->buffer.clear();
    return {};
}

Result<void> RecordJournal::sync_draft() {
    auto done = flush_draft();
    if (done.has_value()) done = draft_->file->sync();
    return done;
}

Result<void> RecordJournal::put_draft_in_place() {
    auto done = flush_draft();
    if (done.has_value()) {
        done = draft_->file->write_at(
            0, header_bytes(draft_->version, draft_->salt, kind_, draft_->end));
    }
    if (done.has_value()) done = draft_->file->sync();
    if (done.has_value()) done = file_system_.rename(temporary_path(), path_);
    if (done.has_error()) {
        drop_draft();
        return done;
    }
    file_ = std::move(draft_->file);
    salt_ = draft_->salt;
    version_ = draft_->version;
    last_commit_ = 1;
    end_ = draft_->end;
    ++generation_;
    draft_.reset();
    done = file_system_.sync_directory(parent_of(path_));
    broken_ = done.has_error();
    return done;
}

void RecordJournal::drop_draft() {
    if (!draft_) return;
    draft_.reset();
    // If this fails, exists() removes it at the next start.
    static_cast<void>(file_system_.remove(temporary_path()));
}

Result<std::uint64_t> RecordJournal::append(std::span<const JournalRecord> records) {
    if (broken_) return damaged_error(path_ + " can't be written to after an error");
    if (end_ > std::numeric_limits<std::uint32_t>::max()) {
        return Error{boost::system::errc::make_error_code(boost::system::errc::file_too_large),
                     path_ + " is larger than 4 GiB: take something out of it first"};
    }
    const CommitMark commit{++last_commit_, static_cast<std::uint32_t>(end_)};
    std::vector<std::uint8_t> buffer;
    for (const JournalRecord& record : records) append_record(buffer, record, commit, salt_);
    if (auto written = file_->write_at(end_, buffer); written.has_error()) {
        // After a full disk the existing records can be trusted once the rest is cut off.
        broken_ = !is_disk_full(written.error().code) || file_->truncate(end_).has_error();
        return written.error();
    }
    if (auto synced = file_->sync(); synced.has_error()) {
        broken_ = true;
        return synced.error();
    }
    return std::exchange(end_, end_ + buffer.size());
}

Result<void> RecordJournal::scan(RecordSink& sink) const {
    if (!file_) return damaged_error(path_ + " is not open");
    const ScanRange range{journal_header_size, end_, ScanRange::Tail::exact};
    const ScanResult scanned = scan_records(*file_, range, salt_, sink);
    if (scanned.unreadable) return unreadable_error(path_, *scanned.unreadable);
    return {};
}

Result<JournalRecord> RecordJournal::read(std::uint64_t offset, std::size_t size) const {
    std::vector<std::uint8_t> bytes(size);
    const auto got = file_->read_at(offset, bytes);
    if (got.has_error()) return got.error();
    // Not damage: the file has these bytes, and may return them another time.
    if (*got < size && offset + size <= end_) {
        return unreadable_error(path_, offset, short_read_error());
    }
    if (*got == size && size >= record_header_size) {
        const auto header = parse_record_header(bytes, salt_);
        if (header && record_size(*header) == size) {
            const auto payload = std::span<const std::uint8_t>(bytes).subspan(
                record_header_size, header->payload_length);
            if (payload_intact(*header, payload, salt_)) {
                return JournalRecord{*header, {payload.begin(), payload.end()}};
            }
        }
    }
    return Error{boost::system::errc::make_error_code(boost::system::errc::bad_message),
                 fmt::format("the record at offset {} of {} is damaged", offset, path_)};
}

}  // namespace flowrelay::storage
