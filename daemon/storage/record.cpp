#include "record.hpp"

#include <cstring>
#include <stdexcept>

#include "flowrelay/base/bytes.hpp"

namespace flowrelay::storage {

namespace {

// Offsets in a record's header.
constexpr std::size_t at_header_crc = 0;
constexpr std::size_t at_payload_crc = 4;
constexpr std::size_t at_payload_length = 8;
constexpr std::size_t at_type = 12;
constexpr std::size_t at_flags = 13;
constexpr std::size_t at_zero = 14;
constexpr std::size_t at_commit_number = 16;
constexpr std::size_t at_commit_offset = 20;
constexpr std::size_t at_seq = 24;
constexpr std::size_t at_token = 32;
constexpr std::size_t at_thread_hash = 40;
constexpr std::size_t at_accepted = 48;
constexpr std::size_t at_expires = 56;
static_assert(at_expires + 8 == record_header_size);

// Offsets in an event's payload.
constexpr std::size_t at_id_length = 0;
constexpr std::size_t at_thread_length = 2;
constexpr std::size_t at_event_text = 4;

constexpr std::size_t max_id_length = 255;
constexpr std::size_t max_thread_length = 65535;

// Offsets in a producer.
constexpr std::size_t at_uid = 0;
constexpr std::size_t at_pid = 4;
constexpr std::size_t at_unit_length = 8;
constexpr std::size_t at_unit = 9;

constexpr std::size_t max_unit_length = 255;

// A settlement has the seq in the low 56 bits and the outcome above.
constexpr unsigned outcome_shift = 56;
constexpr std::uint64_t seq_mask = to_number(max_seq);

std::uint64_t time_to_bits(WallTime time) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(time.time_since_epoch().count()));
}

WallTime time_from_bits(std::uint64_t bits) noexcept {
    return WallTime(Milliseconds(static_cast<std::int64_t>(bits)));
}

bool known_type(std::uint8_t type) noexcept {
    switch (static_cast<RecordType>(type)) {
        case RecordType::event:
        case RecordType::settlements:
        case RecordType::settled_before:
        case RecordType::confirmation:
        case RecordType::registry_salt:
        case RecordType::token:
        case RecordType::hold:
        case RecordType::letter:
        case RecordType::letters_removed:
        case RecordType::letters_left:
        case RecordType::letters_replayed:
        case RecordType::letter_books:
        case RecordType::known_ids:
            return true;
    }
    return false;
}

void append_text(std::uint8_t*& out, std::string_view text) noexcept {
    std::memcpy(out, text.data(), text.size());
    out += text.size();
}

}  // namespace

std::size_t seal_record(std::uint8_t* record, RecordHeader header, std::size_t payload_length,
                        std::uint32_t salt) noexcept {
    const std::size_t size = record_size(payload_length);
    std::uint8_t* payload = record + record_header_size;
    std::memset(payload + payload_length, 0, size - record_header_size - payload_length);
    store_le(record + at_payload_crc, crc32c({payload, payload_length}, salt));
    store_le(record + at_payload_length, static_cast<std::uint32_t>(payload_length));
    record[at_type] = static_cast<std::uint8_t>(header.type);
    record[at_flags] = header.flags;
    store_le(record + at_zero, std::uint16_t{0});
    store_le(record + at_commit_number, header.commit.number);
    store_le(record + at_commit_offset, header.commit.offset);
    store_le(record + at_seq, to_number(header.seq));
    store_le(record + at_token, to_number(header.token));
    store_le(record + at_thread_hash, header.thread_hash);
    store_le(record + at_accepted, time_to_bits(header.accepted));
    store_le(record + at_expires, time_to_bits(header.expires));
    store_le(record + at_header_crc,
             crc32c({record + at_payload_crc, record_header_size - at_payload_crc}, salt));
    return size;
}

void write_confirmation(std::uint8_t* out, Seq highest, CommitMark commit,
                        std::uint32_t salt) noexcept {
    RecordHeader header;
    header.type = RecordType::confirmation;
    header.seq = highest;
    header.commit = commit;
    seal_record(out, header, 0, salt);
}

std::optional<RecordHeader> parse_record_header(std::span<const std::uint8_t> bytes,
                                                std::uint32_t salt) noexcept {
    const std::uint8_t* in = bytes.data();
    // Cheap tests first: recovery tries this at every eighth byte after damage.
    if (!known_type(in[at_type]) || load_le<std::uint16_t>(in + at_zero) != 0) return std::nullopt;
    const auto length = load_le<std::uint32_t>(in + at_payload_length);
    if (length >= max_payload_length) return std::nullopt;
    const auto crc = load_le<std::uint32_t>(in + at_header_crc);
    if (crc != crc32c({in + at_payload_crc, record_header_size - at_payload_crc}, salt)) {
        return std::nullopt;
    }
    RecordHeader header;
    header.payload_crc = load_le<std::uint32_t>(in + at_payload_crc);
    header.payload_length = length;
    header.type = static_cast<RecordType>(in[at_type]);
    header.flags = in[at_flags];
    header.commit.number = load_le<std::uint32_t>(in + at_commit_number);
    header.commit.offset = load_le<std::uint32_t>(in + at_commit_offset);
    header.seq = Seq{load_le<std::uint64_t>(in + at_seq)};
    header.token = TokenId{load_le<std::uint64_t>(in + at_token)};
    if (header.seq > max_seq) return std::nullopt;  // it could never be settled
    header.thread_hash = load_le<std::uint64_t>(in + at_thread_hash);
    header.accepted = time_from_bits(load_le<std::uint64_t>(in + at_accepted));
    header.expires = time_from_bits(load_le<std::uint64_t>(in + at_expires));
    return header;
}

bool payload_intact(const RecordHeader& header, std::span<const std::uint8_t> payload,
                    std::uint32_t salt) noexcept {
    return crc32c(payload, salt) == header.payload_crc;
}

std::uint8_t event_flags(const core::EventRecord& event) noexcept {
    return static_cast<std::uint8_t>((event.own_id ? record_flag_own_id : 0) |
                                     (event.producer ? record_flag_producer : 0));
}

std::size_t producer_size(const core::EventRecord& event) {
    if (!event.producer) return 0;
    if (event.producer->unit.size() > max_unit_length) {
        throw std::invalid_argument("the unit of a producer has at most 255 bytes");
    }
    return at_unit + event.producer->unit.size();
}

std::uint8_t* write_producer(std::uint8_t* out, const core::EventRecord& event) noexcept {
    if (!event.producer) return out;
    const core::Producer& producer = *event.producer;
    store_le(out + at_uid, producer.uid);
    store_le(out + at_pid, producer.pid);
    out[at_unit_length] = static_cast<std::uint8_t>(producer.unit.size());
    out += at_unit;
    append_text(out, producer.unit);
    return out;
}

std::optional<core::Producer> read_producer(std::string_view& text) {
    if (text.size() < at_unit) return std::nullopt;
    const auto* in = reinterpret_cast<const std::uint8_t*>(text.data());
    const std::size_t unit_length = in[at_unit_length];
    if (text.size() < at_unit + unit_length) return std::nullopt;
    core::Producer producer;
    producer.uid = load_le<std::uint32_t>(in + at_uid);
    producer.pid = load_le<std::uint32_t>(in + at_pid);
    producer.unit = text.substr(at_unit, unit_length);
    text.remove_prefix(at_unit + unit_length);
    return producer;
}

std::size_t event_record_size(const core::EventRecord& event) {
    if (event.id.empty() || event.id.size() > max_id_length) {
        throw std::invalid_argument("an event's id has 1 to 255 bytes");
    }
    if (event.thread.size() > max_thread_length) {
        throw std::invalid_argument("an event's thread key has at most 65535 bytes");
    }
    const std::size_t length = at_event_text + producer_size(event) + event.id.size() +
                               event.thread.size() + event.body.size();
    if (length >= max_payload_length) throw std::invalid_argument("an event is too long");
    return record_size(length);
}

std::size_t write_event(std::uint8_t* out, const core::EventRecord& event, Seq seq,
                        CommitMark commit, std::uint32_t salt) {
    std::uint8_t* const payload = out + record_header_size;
    store_le(payload + at_id_length, static_cast<std::uint16_t>(event.id.size()));
    store_le(payload + at_thread_length, static_cast<std::uint16_t>(event.thread.size()));
    std::uint8_t* end = write_producer(payload + at_event_text, event);
    append_text(end, event.id);
    append_text(end, event.thread);
    append_text(end, event.body);

    RecordHeader header;
    header.type = RecordType::event;
    header.flags = event_flags(event);
    header.commit = commit;
    header.seq = seq;
    header.token = event.token;
    header.thread_hash = event.thread_hash;
    header.accepted = event.accepted;
    header.expires = event.expires;
    return seal_record(out, header, static_cast<std::size_t>(end - payload), salt);
}

namespace {

/// A parsed event payload; its texts are views into it.
struct EventPayload {
    std::optional<core::Producer> producer;
    std::string_view id;
    std::string_view thread;
    std::string_view body;
};

std::optional<EventPayload> parse_event_payload(const RecordHeader& header,
                                                std::span<const std::uint8_t> payload) {
    if (header.type != RecordType::event || payload.size() < at_event_text) return std::nullopt;
    const std::size_t id_length = load_le<std::uint16_t>(payload.data() + at_id_length);
    const std::size_t thread_length = load_le<std::uint16_t>(payload.data() + at_thread_length);
    std::string_view text = as_text(payload.subspan(at_event_text));
    EventPayload event;
    if ((header.flags & record_flag_producer) != 0) {
        event.producer = read_producer(text);
        if (!event.producer) return std::nullopt;
    }
    if (id_length == 0 || id_length > max_id_length || id_length + thread_length > text.size()) {
        return std::nullopt;
    }
    event.id = text.substr(0, id_length);
    event.thread = text.substr(id_length, thread_length);
    event.body = text.substr(id_length + thread_length);
    return event;
}

}  // namespace

std::optional<core::EventRecord> read_event(const RecordHeader& header,
                                            std::span<const std::uint8_t> payload) {
    auto parsed = parse_event_payload(header, payload);
    if (!parsed) return std::nullopt;
    core::EventRecord event;
    event.token = header.token;
    event.thread_hash = header.thread_hash;
    event.accepted = header.accepted;
    event.expires = header.expires;
    event.own_id = (header.flags & record_flag_own_id) != 0;
    // Construct instead of assign: an assignment checks the capacity first.
    event.id = std::string(parsed->id);
    event.thread = std::string(parsed->thread);
    event.body = std::string(parsed->body);
    event.producer = std::move(parsed->producer);
    return event;
}

std::optional<std::string_view> read_event_id(const RecordHeader& header,
                                              std::span<const std::uint8_t> payload) {
    const auto parsed = parse_event_payload(header, payload);
    if (!parsed) return std::nullopt;
    return parsed->id;
}

std::size_t write_settlements(std::uint8_t* out, std::span<const core::Settlement> settlements,
                              CommitMark commit, std::uint32_t salt) noexcept {
    std::uint8_t* at = out + record_header_size;
    for (const core::Settlement& settlement : settlements) {
        const auto outcome = static_cast<std::uint64_t>(settlement.outcome) << outcome_shift;
        store_le(at, outcome | (to_number(settlement.seq) & seq_mask));
        at += settlement_size;
    }
    RecordHeader header;
    header.type = RecordType::settlements;
    header.commit = commit;
    return seal_record(out, header, settlements.size() * settlement_size, salt);
}

std::optional<std::vector<core::Settlement>> read_settlements(
    std::span<const std::uint8_t> payload) {
    if (payload.size() % settlement_size != 0) return std::nullopt;
    std::vector<core::Settlement> settlements;
    settlements.reserve(payload.size() / settlement_size);
    for (std::size_t at = 0; at < payload.size(); at += settlement_size) {
        const auto bits = load_le<std::uint64_t>(payload.data() + at);
        const auto outcome = static_cast<core::Outcome>(bits >> outcome_shift);
        if (outcome < core::Outcome::delivered || outcome > core::Outcome::dropped) {
            return std::nullopt;
        }
        settlements.push_back({Seq{bits & seq_mask}, outcome});
    }
    return settlements;
}

std::size_t write_settled_before(std::uint8_t* out, std::span<const SeqRange> ranges,
                                 CommitMark commit, std::uint32_t salt) noexcept {
    std::uint8_t* at = out + record_header_size;
    for (const SeqRange& range : ranges) {
        store_le(at, to_number(range.first));
        store_le(at + 8, range.count);
        at += seq_range_size;
    }
    RecordHeader header;
    header.type = RecordType::settled_before;
    header.commit = commit;
    return seal_record(out, header, ranges.size() * seq_range_size, salt);
}

std::optional<std::vector<SeqRange>> read_settled_before(std::span<const std::uint8_t> payload) {
    if (payload.size() % seq_range_size != 0) return std::nullopt;
    std::vector<SeqRange> ranges;
    std::uint64_t behind = 0;
    for (std::size_t at = 0; at < payload.size(); at += seq_range_size) {
        const auto first = load_le<std::uint64_t>(payload.data() + at);
        const auto count = load_le<std::uint64_t>(payload.data() + at + 8);
        if (first < behind || count == 0 || count > seq_mask || first > seq_mask) {
            return std::nullopt;
        }
        ranges.push_back({Seq{first}, count});
        behind = first + count;
    }
    return ranges;
}

}  // namespace flowrelay::storage
