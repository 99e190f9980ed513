#include "letter_record.hpp"

#include <cstring>
#include <stdexcept>
#include <string_view>

#include "flowrelay/base/bytes.hpp"

namespace flowrelay::storage {

using core::DeadLetter;
using core::EventRecord;

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

void append_text(std::uint8_t*& out, std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    out += text.size();
}

constexpr std::size_t seq_size = 8;
constexpr std::size_t replay_size = 16;

// A settlement has the seq in the low 56 bits and the outcome above.
constexpr unsigned outcome_shift = 56;
constexpr std::uint64_t seq_mask = to_number(max_seq);

template <class Items, class Store>
JournalRecord list_record(RecordType type, const Items& items, std::size_t size, Store store) {
    JournalRecord record;
    record.header.type = type;
    record.payload.resize(items.size() * size);
    for (std::size_t i = 0; i < items.size(); ++i)
        store(record.payload.data() + i * size, items[i]);
    return record;
}

}  // namespace

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
    if (letter.outcome != core::Outcome::dead && letter.outcome != core::Outcome::expired) {
        return std::nullopt;
    }
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

WallTime died_of(std::span<const std::uint8_t> letter) {
    const auto died = load_le<std::uint64_t>(letter.data() + at_died);
    return WallTime(Milliseconds(static_cast<std::int64_t>(died)));
}

core::Outcome outcome_of(std::span<const std::uint8_t> letter) {
    return static_cast<core::Outcome>(letter[at_outcome]);
}

JournalRecord withdrawal_record(std::span<const Seq> seqs) {
    return list_record(RecordType::letters_removed, seqs, seq_size,
                       [](std::uint8_t* out, Seq seq) { store_le(out, to_number(seq)); });
}

std::vector<Seq> read_withdrawal(std::span<const std::uint8_t> payload) {
    std::vector<Seq> seqs;
    for (std::size_t at = 0; at + seq_size <= payload.size(); at += seq_size) {
        seqs.push_back(Seq{load_le<std::uint64_t>(payload.data() + at)});
    }
    return seqs;
}

JournalRecord departure_record(std::span<const core::Settlement> ends) {
    return list_record(RecordType::letters_left, ends, settlement_size,
                       [](std::uint8_t* out, const core::Settlement& end) {
                           const auto outcome = static_cast<std::uint64_t>(end.outcome)
                                                << outcome_shift;
                           store_le(out, outcome | (to_number(end.seq) & seq_mask));
                       });
}

JournalRecord replay_record(std::span<const Replay> replays) {
    return list_record(
        RecordType::letters_replayed, replays, replay_size,
        [](std::uint8_t* out, const Replay& replay) {
            store_le(out, to_number(replay.seq));
            store_le(out + 8, static_cast<std::uint64_t>(replay.when.time_since_epoch().count()));
        });
}

std::vector<Replay> read_replays(std::span<const std::uint8_t> payload) {
    std::vector<Replay> replays;
    for (std::size_t at = 0; at + replay_size <= payload.size(); at += replay_size) {
        const auto when = load_le<std::uint64_t>(payload.data() + at + 8);
        replays.push_back({Seq{load_le<std::uint64_t>(payload.data() + at)},
                           WallTime(Milliseconds(static_cast<std::int64_t>(when)))});
    }
    return replays;
}

JournalRecord books_record(const LetterBooks& books) {
    return list_record(RecordType::letter_books, books.change, sizeof(std::int64_t),
                       [](std::uint8_t* out, std::int64_t change) {
                           store_le(out, static_cast<std::uint64_t>(change));
                       });
}

std::optional<LetterBooks> read_books(std::span<const std::uint8_t> payload) {
    LetterBooks books;
    if (payload.size() != books.change.size() * sizeof(std::int64_t)) return std::nullopt;
    for (std::size_t i = 0; i < books.change.size(); ++i) {
        books.change[i] = static_cast<std::int64_t>(load_le<std::uint64_t>(payload.data() + i * 8));
    }
    return books;
}

}  // namespace flowrelay::storage
