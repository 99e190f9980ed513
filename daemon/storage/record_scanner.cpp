#include "record_scanner.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/storage/event_queue.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::size_t scan_chunk_size = 256 * 1024;
constexpr std::size_t scan_page_size = 4096;

bool all_zero(std::span<const std::uint8_t> bytes) noexcept {
    return bytes.empty() ||
           (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// A part of a file in memory that moves along as it is read.
class Window {
public:
    Window(File& file, std::uint64_t end) : file_(file), end_(end) {}

    /// Returns `length` bytes from `offset` on, or fewer at the end of the range.
    std::span<const std::uint8_t> view(std::uint64_t offset, std::size_t length) {
        if (offset >= end_) return {};
        length = static_cast<std::size_t>(std::min<std::uint64_t>(length, end_ - offset));
        if (offset < start_ || offset + length > start_ + bytes_.size()) {
            load(offset, std::max(length, scan_chunk_size));
        }
        return std::span(bytes_).subspan(static_cast<std::size_t>(offset - start_), length);
    }

    const std::optional<ScanResult::Unreadable>& unreadable() const noexcept { return unreadable_; }

private:
    void load(std::uint64_t offset, std::size_t length) {
        start_ = offset;
        bytes_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(length, end_ - offset)));
        const auto got = file_.read_at(offset, bytes_);
        if (got.has_value() && *got == bytes_.size()) return;
        load_by_pages(offset);
    }

    // Reads page by page, to get as much around a bad sector as the disk returns.
    void load_by_pages(std::uint64_t offset) {
        std::size_t at = 0;
        while (at < bytes_.size()) {
            const std::size_t to_boundary =
                scan_page_size - static_cast<std::size_t>((offset + at) % scan_page_size);
            const auto page =
                std::span(bytes_).subspan(at, std::min(to_boundary, bytes_.size() - at));
            const auto got = read_again(offset + at, page);
            if (got.has_error()) note_unreadable(offset + at, page.size(), got.error());
            const auto good = static_cast<std::ptrdiff_t>(got.has_value() ? *got : 0);
            std::fill(page.begin() + good, page.end(), std::uint8_t{0});
            at += page.size();
        }
    }

    /// Reads with retries, since an error may be transient. Returns fewer bytes only at the end of
    /// the file.
    Result<std::size_t> read_again(std::uint64_t offset, std::span<std::uint8_t> out) {
        constexpr int tries = 3;
        Result<std::size_t> got = std::size_t{0};
        for (int i = 0; i < tries; ++i) {
            got = file_.read_at(offset, out);
            if (got.has_error()) continue;
            const auto size = file_.size();
            if (size.has_error()) {
                got = size.error();
                continue;
            }
            const std::uint64_t there = *size - std::min(*size, offset);
            if (*got >= std::min<std::uint64_t>(there, out.size())) return got;
            got = short_read_error();
        }
        return got;
    }

    void note_unreadable(std::uint64_t offset, std::uint64_t bytes, const Error& error) {
        if (!unreadable_) unreadable_ = ScanResult::Unreadable{offset, 0, error};
        // Count pages that are read again only once.
        if (unreadable_pages_.insert(offset / scan_page_size).second) unreadable_->bytes += bytes;
    }

    File& file_;
    std::uint64_t end_;
    std::uint64_t start_ = 0;
    std::vector<std::uint8_t> bytes_;
    std::optional<ScanResult::Unreadable> unreadable_;
    std::set<std::uint64_t> unreadable_pages_;
};

/// Passes the bytes from `offset` on to `use` in overlapping chunks, so that each header is
/// complete in one of them, until it returns false. Skips chunks of zeros.
template <class Use>
void for_each_chunk(Window& window, std::uint64_t offset, Use use) {
    while (true) {
        const auto bytes = window.view(offset, scan_chunk_size);
        if (!all_zero(bytes) && !use(offset, bytes)) return;
        if (bytes.size() < scan_chunk_size) return;
        offset += scan_chunk_size - record_header_size;
    }
}

/// The cheapest test: a recycled segment has eight million offsets to try. These two bytes are zero
/// in a header (docs/spool-format.md), and zero bytes do not occur in JSON text.
bool may_be_header(std::span<const std::uint8_t> bytes) noexcept {
    constexpr std::size_t at_zeros = 14;
    return load_le<std::uint16_t>(bytes.data() + at_zeros) == 0;
}

struct Found {
    std::uint64_t offset = 0;
    RecordHeader header;
};

/// What was found after an offset.
struct Survey {
    std::uint64_t end = 0;  ///< end of the last record
    std::uint32_t highest_commit = 0;
    Seq highest_seq = Seq::none;

    void note(const Found& found) {
        end = std::max(end, found.offset + record_size(found.header));
        highest_commit = std::max(highest_commit, found.header.commit.number);
        if (found.header.type != RecordType::confirmation) {
            highest_seq = std::max(highest_seq, found.header.seq);
        }
    }
};

class Scanner {
public:
    Scanner(File& file, const ScanRange& range, std::uint32_t salt, RecordSink& sink)
        : window_(file, range.end), range_(range), salt_(salt), sink_(sink), at_(range.begin) {
        confirmed_ = range.tail == ScanRange::Tail::unknown ? range.durable_end : range.end;
    }

    ScanResult run() {
        bool more = true;
        while (more) {
            const auto header = header_at(at_);
            if (header && pauses_before(*header)) break;
            more = header && continues(*header, at_) ? take(*header) : skip();
        }
        if (!paused_) {
            survey_tail();
            find_cut_off();
        }
        result_.end = at_;
        result_.last_commit = commit_;
        result_.unreadable = window_.unreadable();
        return result_;
    }

private:
    /// Returns a header with a correct checksum whose record fits into the range.
    std::optional<RecordHeader> header_at(std::uint64_t offset) {
        const auto bytes = window_.view(offset, record_header_size);
        if (bytes.size() < record_header_size) return std::nullopt;
        return checked(parse_record_header(bytes, salt_), offset);
    }

    std::optional<RecordHeader> checked(std::optional<RecordHeader> header,
                                        std::uint64_t offset) const {
        if (!header || record_size(*header) > range_.end - offset) return std::nullopt;
        const std::uint64_t begun = header->commit.offset;
        if (begun < range_.begin || begun > offset) return std::nullopt;
        return header;
    }

    /// Whether a record can continue the last one: in the same commit, or as the first of a later
    /// one. The remains of an abandoned write do not.
    bool continues(const RecordHeader& header, std::uint64_t offset) const {
        if (header.commit == commit_) return true;
        return header.commit.number > commit_.number && header.commit.offset == offset;
    }

    bool pauses_before(const RecordHeader& header) {
        paused_ = at_ >= range_.pause_at && at_ > range_.begin && header.commit.offset == at_ &&
                  continues(header, at_);
        return paused_;
    }

    bool take(const RecordHeader& header) {
        const std::size_t size = record_size(header);
        const auto bytes = window_.view(at_, size);
        const auto payload = bytes.subspan(record_header_size, header.payload_length);
        const bool intact = payload_intact(header, payload, salt_);
        // confirm() moves the window: the record is read again below.
        if (!intact && !confirm(at_)) return false;
        commit_ = header.commit;
        note(header);
        result_.confirmed = header.type == RecordType::confirmation;
        if (result_.confirmed) {
            result_.confirmed_seq = header.seq;
        } else {
            const auto again = window_.view(at_, size);
            sink_.record(
                {at_, header, again.subspan(record_header_size, header.payload_length), intact});
        }
        at_ += size;
        return at_ < range_.end;
    }

    /// Handles an offset without a record: either the end, or damage to skip.
    bool skip() {
        if (at_ >= range_.end || !confirm(at_)) return false;
        const std::uint64_t from = at_;
        const auto next = find(from + record_alignment, [this](const Found& found) {
            return found.header.commit == commit_ || found.header.commit.number > commit_.number;
        });
        if (next) {
            sink_.damage(from, next->offset - from);
            at_ = next->offset;
            commit_ = next->header.commit;
            return true;
        }
        const std::uint64_t known =
            range_.tail == ScanRange::Tail::exact ? range_.end : range_.durable_end;
        if (from >= known) return false;
        sink_.damage(from, known - from);
        at_ = known;
        return at_ < range_.end;
    }

    /// Whether everything up to and including `offset` is known to have been durable, because a
    /// later commit begins after it.
    bool confirm(std::uint64_t offset) {
        if (offset < confirmed_) return true;
        Survey tail;
        const auto later =
            find(offset + record_alignment, [this, offset, &tail](const Found& found) {
                tail.note(found);
                return found.header.commit.number > commit_.number &&
                       found.header.commit.offset > offset;
            });
        if (later) {
            confirmed_ = later->header.commit.offset;
        } else {
            tail_ = tail;
            surveyed_ = true;
        }
        return later.has_value();
    }

    /// Finds the first header from `offset` on that satisfies the test.
    template <class Test>
    std::optional<Found> find(std::uint64_t offset, Test test) {
        std::optional<Found> result;
        for_each_chunk(
            window_, offset, [&](std::uint64_t start, std::span<const std::uint8_t> bytes) {
                for (std::size_t at = 0; at + record_header_size <= bytes.size();
                     at += record_alignment) {
                    if (!may_be_header(bytes.subspan(at))) continue;
                    const auto header =
                        checked(parse_record_header(bytes.subspan(at), salt_), start + at);
                    if (header && test(Found{start + at, *header})) {
                        result = Found{start + at, *header};
                        return false;
                    }
                }
                return true;
            });
        return result;
    }

    void note(const RecordHeader& header) {
        result_.highest_commit = std::max(result_.highest_commit, header.commit.number);
        if (header.type != RecordType::confirmation) {
            result_.highest_seq = std::max(result_.highest_seq, header.seq);
        }
    }

    /// Surveys what follows the end: records of writes that were never acknowledged. Usually all
    /// but the first offset was examined already when the end was determined.
    void survey_tail() {
        Survey tail = tail_;
        if (!surveyed_) {
            find(at_, [&tail](const Found& found) {
                tail.note(found);
                return false;
            });
        } else if (const auto header = header_at(at_)) {
            tail.note({at_, *header});
        }
        result_.torn_end = std::max(at_, tail.end);
        result_.highest_commit = std::max(result_.highest_commit, tail.highest_commit);
        result_.highest_seq = std::max(result_.highest_seq, tail.highest_seq);
    }

    void find_cut_off() {
        const auto bytes = window_.view(at_, record_header_size);
        if (bytes.size() < record_header_size) return;
        const auto header = parse_record_header(bytes, salt_);
        if (!header || !continues(*header, at_) || record_size(*header) <= range_.end - at_) return;
        result_.cut_off = header;
        note(*header);
    }

    Window window_;
    ScanRange range_;
    std::uint32_t salt_;
    RecordSink& sink_;
    ScanResult result_;
    std::uint64_t at_;
    CommitMark commit_;
    std::uint64_t confirmed_ = 0;
    bool surveyed_ = false;
    bool paused_ = false;
    Survey tail_;  ///< what follows the end
};

}  // namespace

Error short_read_error() {
    return {boost::system::errc::make_error_code(boost::system::errc::io_error),
            "it gave fewer bytes than it has"};
}

Error unreadable_error(const std::string& path, std::uint64_t offset, const Error& error) {
    return {QueueErrc::unreadable,
            fmt::format("{} can't be read at offset {} ({}): nothing of it was changed. Try again; "
                        "if the disk has lost these bytes for good, stop flowrelayd and accept the "
                        "loss with: flowrelay spool declare-damaged {}",
                        path, offset, error.message, path)};
}

Error unreadable_error(const std::string& path, const ScanResult::Unreadable& unreadable) {
    return unreadable_error(path, unreadable.offset, unreadable.error);
}

ScanResult scan_records(File& file, const ScanRange& range, std::uint32_t salt, RecordSink& sink) {
    return Scanner(file, range, salt, sink).run();
}

}  // namespace flowrelay::storage
