#include "segment_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>

#include "flowrelay/base/bytes.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::string_view index_magic = "FlowrIdx";
constexpr std::uint32_t index_version = 1;

// Offsets in a block.
constexpr std::size_t at_index_crc = 0;
constexpr std::size_t at_block_number = 4;
constexpr std::size_t at_rows = 8;
constexpr std::size_t rows_size = index_block_size - at_rows;

// Offsets in the first block.
constexpr std::size_t at_magic = 8;
constexpr std::size_t at_index_version = 16;
constexpr std::size_t at_index_salt = 20;
constexpr std::size_t at_index_number = 24;
constexpr std::size_t at_end = 32;
constexpr std::size_t at_highest_seq = 40;
constexpr std::size_t at_newest_own_id = 48;
constexpr std::size_t at_first_seq = 56;
constexpr std::size_t at_events = 64;
constexpr std::size_t at_tokens = 72;
constexpr std::size_t at_settled = 80;
constexpr std::size_t at_damaged = 88;
constexpr std::size_t at_dense = 89;
constexpr std::size_t at_event_bytes = 96;

constexpr std::size_t event_row = 48;
constexpr std::size_t by_token_row = 4;
constexpr std::size_t token_row = 16;
constexpr std::size_t settled_row = 16;

constexpr std::size_t blocks_for(std::size_t rows, std::size_t row_size) noexcept {
    const std::size_t in_block = rows_size / row_size;
    return (rows + in_block - 1) / in_block;
}

std::uint64_t to_bits(WallTime time) noexcept {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

WallTime to_time(std::uint64_t bits) noexcept {
    return WallTime(Milliseconds(static_cast<std::int64_t>(bits)));
}

std::uint32_t block_crc(std::span<const std::uint8_t> block, std::uint32_t salt) noexcept {
    return crc32c(block.subspan(at_block_number), salt);
}

Error damaged_index(std::string what) {
    return {boost::system::errc::make_error_code(boost::system::errc::bad_message),
            "the index of a segment " + std::move(what)};
}

/// Writes rows into blocks; a row never spans two blocks.
class BlockWriter {
public:
    BlockWriter(std::size_t blocks, std::uint32_t salt)
        : bytes_(blocks * index_block_size), salt_(salt) {}

    std::uint8_t* header() noexcept { return bytes_.data(); }

    void begin_section(std::size_t row_size) noexcept {
        if (used_ > 0 || next_block_ == 0) ++next_block_;
        used_ = 0;
        row_size_ = row_size;
    }

    std::uint8_t* next_row() noexcept {
        if (used_ == rows_size / row_size_) {
            ++next_block_;
            used_ = 0;
        }
        return bytes_.data() + next_block_ * index_block_size + at_rows + row_size_ * used_++;
    }

    std::vector<std::uint8_t> finish() {
        for (std::size_t i = 0; i * index_block_size < bytes_.size(); ++i) {
            const auto block = std::span(bytes_).subspan(i * index_block_size, index_block_size);
            store_le(block.data() + at_block_number, static_cast<std::uint32_t>(i));
            store_le(block.data() + at_index_crc, block_crc(block, salt_));
        }
        return std::move(bytes_);
    }

private:
    std::vector<std::uint8_t> bytes_;
    std::uint32_t salt_;
    std::size_t next_block_ = 0;
    std::size_t used_ = 0;
    std::size_t row_size_ = 1;
};

std::vector<std::uint32_t> sorted_by_token(const IndexedEvents& events) {
    std::vector<std::uint32_t> places(events.size());
    std::iota(places.begin(), places.end(), 0U);
    const auto token = [&events](std::uint32_t place) { return events[place].token; };
    if (!std::ranges::is_sorted(places, {}, token)) std::ranges::stable_sort(places, {}, token);
    return places;
}

void write_event(std::uint8_t* row, const IndexedEvent& event) noexcept {
    store_le(row, to_number(event.seq));
    store_le(row + 8, to_number(event.token));
    store_le(row + 16, event.thread_hash);
    store_le(row + 24, to_bits(event.accepted));
    store_le(row + 32, to_bits(event.expires));
    store_le(row + 40, event.offset);
    store_le(row + 44, event.bytes);
}

void write_tokens(BlockWriter& out, const IndexContents& contents,
                  const std::vector<std::uint32_t>& places) {
    std::size_t at = 0;
    for (const TokenId token : contents.tokens) {
        const std::size_t begin = at;
        while (at < places.size() && contents.events[places[at]].token == token) ++at;
        std::uint8_t* const row = out.next_row();
        store_le(row, to_number(token));
        store_le(row + 8, static_cast<std::uint32_t>(begin));
        store_le(row + 12, static_cast<std::uint32_t>(at - begin));
    }
}

void write_header(std::uint8_t* block, const IndexContents& contents) noexcept {
    std::ranges::copy(index_magic, block + at_magic);
    store_le(block + at_index_version, index_version);
    store_le(block + at_index_salt, contents.salt);
    store_le(block + at_index_number, contents.number);
    store_le(block + at_end, contents.end);
    store_le(block + at_highest_seq, to_number(contents.highest_seq));
    store_le(block + at_newest_own_id, to_bits(contents.newest_own_id));
    const Seq first = contents.events.empty() ? Seq::none : contents.events.front().seq;
    store_le(block + at_first_seq, to_number(first));
    store_le(block + at_events, std::uint64_t{contents.events.size()});
    store_le(block + at_tokens, std::uint64_t{contents.tokens.size()});
    store_le(block + at_settled, std::uint64_t{contents.settled.size()});
    std::uint64_t bytes = 0;
    for (const IndexedEvent& event : contents.events) bytes += event.bytes;
    store_le(block + at_event_bytes, bytes);
    block[at_damaged] = contents.damaged ? 1 : 0;
    const std::uint64_t span =
        contents.events.empty() ? 0 : to_number(contents.events.back().seq) - to_number(first) + 1;
    block[at_dense] = span == contents.events.size() ? 1 : 0;
}

}  // namespace

std::vector<std::uint8_t> encode_index(const IndexContents& contents) {
    const std::vector<std::uint32_t> places = sorted_by_token(contents.events);
    BlockWriter out(1 + blocks_for(contents.events.size(), event_row) +
                        blocks_for(places.size(), by_token_row) +
                        blocks_for(contents.tokens.size(), token_row) +
                        blocks_for(contents.settled.size(), settled_row),
                    contents.salt);
    write_header(out.header(), contents);
    out.begin_section(event_row);
    for (const IndexedEvent& event : contents.events) write_event(out.next_row(), event);
    out.begin_section(by_token_row);
    for (const std::uint32_t place : places) store_le(out.next_row(), place);
    out.begin_section(token_row);
    write_tokens(out, contents, places);
    out.begin_section(settled_row);
    for (const SeqRange& range : contents.settled) {
        std::uint8_t* const row = out.next_row();
        store_le(row, to_number(range.first));
        store_le(row + 8, range.count);
    }
    return out.finish();
}

SegmentIndex::SegmentIndex(std::shared_ptr<IndexCache> cache)
    : cache_(std::move(cache)), owner_(cache_->new_owner()) {}

Result<SegmentIndex> SegmentIndex::open(std::unique_ptr<File> file, std::uint64_t number,
                                        std::uint32_t salt, std::shared_ptr<IndexCache> cache) {
    SegmentIndex index(std::move(cache));
    index.file_ = std::move(file);
    if (auto read = index.read_header(number, salt); read.has_error()) return read.error();
    const auto size = index.file_->size();
    if (size.has_error()) return size.error();
    if (*size != index.bytes()) return damaged_index("is not whole");
    return index;
}

SegmentIndex SegmentIndex::in_memory(std::vector<std::uint8_t> bytes,
                                     std::shared_ptr<IndexCache> cache) {
    SegmentIndex index(std::move(cache));
    const auto number = load_le<std::uint64_t>(bytes.data() + at_index_number);
    const auto salt = load_le<std::uint32_t>(bytes.data() + at_index_salt);
    index.memory_ = std::move(bytes);
    index.read_header(number, salt).value();
    return index;
}

void SegmentIndex::move_to(std::unique_ptr<File> file) {
    file_ = std::move(file);
    memory_ = std::vector<std::uint8_t>();  // assigning {} would keep the memory
}

Result<void> SegmentIndex::read_header(std::uint64_t number, std::uint32_t salt) {
    IndexCache::Block block;
    number_ = number;
    salt_ = salt;
    if (auto read = read_block(0, block); read.has_error()) return read;
    const std::uint8_t* in = block.data();
    if (std::memcmp(in + at_magic, index_magic.data(), index_magic.size()) != 0 ||
        load_le<std::uint32_t>(in + at_index_version) != index_version ||
        load_le<std::uint64_t>(in + at_index_number) != number) {
        return damaged_index("is one of another segment or format");
    }
    end_ = load_le<std::uint64_t>(in + at_end);
    highest_seq_ = Seq{load_le<std::uint64_t>(in + at_highest_seq)};
    newest_own_id_ = to_time(load_le<std::uint64_t>(in + at_newest_own_id));
    first_seq_ = Seq{load_le<std::uint64_t>(in + at_first_seq)};
    events_ = load_le<std::uint64_t>(in + at_events);
    tokens_ = load_le<std::uint64_t>(in + at_tokens);
    settled_ = load_le<std::uint64_t>(in + at_settled);
    event_bytes_ = load_le<std::uint64_t>(in + at_event_bytes);
    damaged_ = in[at_damaged] != 0;
    dense_ = in[at_dense] != 0;
    blocks_ = 1;
    const auto place = [this](Section& section, std::size_t row_size, std::size_t rows) {
        section = {blocks_, row_size};
        blocks_ += blocks_for(rows, row_size);
    };
    place(events_section_, event_row, events_);
    place(by_token_section_, by_token_row, events_);
    place(tokens_section_, token_row, tokens_);
    place(settled_section_, settled_row, settled_);
    return {};
}

Result<void> SegmentIndex::read_block(std::size_t number, std::span<std::uint8_t> out) const {
    if (file_) {
        const auto got = file_->read_at(number * index_block_size, out);
        if (got.has_error()) return got.error();
        if (*got < out.size()) return damaged_index("is not whole");
    } else {
        std::memcpy(out.data(), memory_.data() + number * index_block_size, out.size());
    }
    if (load_le<std::uint32_t>(out.data() + at_index_crc) != block_crc(out, salt_) ||
        load_le<std::uint32_t>(out.data() + at_block_number) != number) {
        return damaged_index(fmt::format("is damaged at offset {}", number * index_block_size));
    }
    return {};
}

Result<const std::uint8_t*> SegmentIndex::row(const Section& section, std::size_t place) const {
    const std::size_t in_block = rows_size / section.row_size;
    const std::size_t number = section.first_block + place / in_block;
    IndexCache::Slot& cached = cache_->slot(owner_, number);
    if (!cached.holds(owner_, number)) {
        if (!cached.block) cached.block = std::make_unique<IndexCache::Block>();
        cached.owner = 0;
        if (auto read = read_block(number, *cached.block); read.has_error()) return read.error();
        cached.owner = owner_;
        cached.number = number;
    }
    return cached.block->data() + at_rows + place % in_block * section.row_size;
}

Result<IndexedEvent> SegmentIndex::at(std::size_t ordinal) const {
    const auto found = row(events_section_, ordinal);
    if (found.has_error()) return found.error();
    const std::uint8_t* in = *found;
    IndexedEvent event;
    event.seq = Seq{load_le<std::uint64_t>(in)};
    event.token = TokenId{load_le<std::uint64_t>(in + 8)};
    event.thread_hash = load_le<std::uint64_t>(in + 16);
    event.accepted = to_time(load_le<std::uint64_t>(in + 24));
    event.expires = to_time(load_le<std::uint64_t>(in + 32));
    event.offset = load_le<std::uint32_t>(in + 40);
    event.bytes = load_le<std::uint32_t>(in + 44);
    return event;
}

Result<Seq> SegmentIndex::seq_at(std::size_t ordinal) const {
    if (dense_) return Seq{to_number(first_seq_) + ordinal};
    const auto event = at(ordinal);
    if (event.has_error()) return event.error();
    return event->seq;
}

Result<std::size_t> SegmentIndex::lower_bound(Seq seq) const {
    if (events_ == 0 || seq <= first_seq_) return std::size_t{0};
    if (seq > highest_seq_) return events_;
    const std::uint64_t distance = to_number(seq) - to_number(first_seq_);
    if (dense_) return static_cast<std::size_t>(std::min<std::uint64_t>(distance, events_));
    // Seqs grow by at least one per position, which bounds how far the wanted position is from one
    // examined. Gaps cluster, so the bound is usually the position itself.
    std::size_t low = 0;
    auto high = static_cast<std::size_t>(std::min<std::uint64_t>(distance, events_));
    std::size_t guess = std::min(high, events_ - 1);
    bool halve = false;
    while (true) {
        const auto event = at(guess);
        if (event.has_error()) return event.error();
        if (event->seq == seq) return guess;
        if (event->seq > seq) {
            const std::uint64_t down = to_number(event->seq) - to_number(seq);
            high = std::min(high, guess);
            if (down < guess) low = std::max(low, guess - static_cast<std::size_t>(down));
        } else {
            const std::uint64_t up = to_number(seq) - to_number(event->seq);
            low = std::max(low, guess + 1);
            if (up < high - guess) high = guess + static_cast<std::size_t>(up);
        }
        if (low >= high) return high;
        guess = halve ? low + (high - low) / 2 : low;
        halve = !halve;
    }
}

Result<std::optional<std::size_t>> SegmentIndex::find(Seq seq) const {
    using Found = std::optional<std::size_t>;
    const auto place = lower_bound(seq);
    if (place.has_error()) return place.error();
    if (*place == events_) return Found();
    const auto found = seq_at(*place);
    if (found.has_error()) return found.error();
    return *found == seq ? Found(*place) : Found();
}

Result<SegmentIndex::TokenRun> SegmentIndex::token_at(std::size_t place) const {
    const auto found = row(tokens_section_, place);
    if (found.has_error()) return found.error();
    const TokenRun run{TokenId{load_le<std::uint64_t>(*found)}, load_le<std::uint32_t>(*found + 8),
                       load_le<std::uint32_t>(*found + 12)};
    if (run.begin + run.count > events_) return damaged_index("contradicts itself");
    return run;
}

Result<std::optional<SegmentIndex::TokenRun>> SegmentIndex::find(TokenId token) const {
    using Found = std::optional<TokenRun>;
    std::size_t low = 0;
    std::size_t high = tokens_;
    while (low < high) {
        const std::size_t middle = low + (high - low) / 2;
        const auto run = token_at(middle);
        if (run.has_error()) return run.error();
        if (run->token == token) return Found(*run);
        if (run->token < token) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return Found();
}

Result<std::size_t> SegmentIndex::by_token(std::size_t place) const {
    const auto found = row(by_token_section_, place);
    if (found.has_error()) return found.error();
    const std::size_t event{load_le<std::uint32_t>(*found)};
    if (event >= events_) return damaged_index("contradicts itself");
    return event;
}

Result<SeqRange> SegmentIndex::settled_at(std::size_t place) const {
    const auto found = row(settled_section_, place);
    if (found.has_error()) return found.error();
    return SeqRange{Seq{load_le<std::uint64_t>(*found)}, load_le<std::uint64_t>(*found + 8)};
}

}  // namespace flowrelay::storage
