#include "slot_record.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/base/bytes.hpp"

namespace flowrelay::storage {

using core::TokenEntry;

namespace {

// Offsets in the payload of a slot.
constexpr std::size_t at_state = 0;
constexpr std::size_t at_origin = 1;
constexpr std::size_t at_pause = 2;
constexpr std::size_t at_flags = 3;
constexpr std::size_t at_since = 8;
constexpr std::size_t at_erase_at = 16;
constexpr std::size_t at_fingerprint = 24;
constexpr std::size_t at_source_length = 40;
constexpr std::size_t at_secret_length = 42;
constexpr std::size_t at_text = 44;

constexpr std::size_t max_text = 65535;

constexpr std::uint8_t flag_filter = 1;  ///< the filter follows the token

// At the end: what is known of the source at the server, each with its length before all.
constexpr std::size_t flow_source_parts = 5;

std::array<std::string*, flow_source_parts> parts_of(core::FlowSource& source) {
    return {&source.id, &source.flow, &source.flow_name, &source.application,
            &source.configuration_uri};
}

std::vector<std::uint8_t> to_bytes(core::FlowSource source) {
    std::vector<std::uint8_t> bytes(2 * flow_source_parts);
    std::uint8_t* length = bytes.data();
    std::string text;
    for (const std::string* part : parts_of(source)) {
        if (part->size() > max_text) {
            throw std::invalid_argument("what is said of a source is longer than 65535 bytes");
        }
        store_le(length, static_cast<std::uint16_t>(part->size()));
        length += 2;
        text += *part;
    }
    bytes.insert(bytes.end(), text.begin(), text.end());
    return bytes;
}

/// Nothing if the bytes make no sense.
std::optional<core::FlowSource> to_flow_source(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < 2 * flow_source_parts) return std::nullopt;
    const std::uint8_t* length = bytes.data();
    std::string_view text = as_text(bytes.subspan(2 * flow_source_parts));
    core::FlowSource source;
    for (std::string* part : parts_of(source)) {
        const std::size_t size = load_le<std::uint16_t>(length);
        length += 2;
        if (size > text.size()) return std::nullopt;
        *part = text.substr(0, size);
        text.remove_prefix(size);
    }
    return text.empty() && !source.id.empty() ? std::optional(std::move(source)) : std::nullopt;
}

constexpr std::array filter_lists{core::FilterList::events, core::FilterList::tags,
                                  core::FilterList::threads};

/// How many entries each list has, then each entry with its length.
std::vector<std::uint8_t> filter_bytes(const core::EventFilter& filter) {
    std::vector<std::uint8_t> bytes;
    const auto add_number = [&](std::size_t number) {
        if (number > max_text) throw std::invalid_argument("a filter is larger than can be stored");
        bytes.resize(bytes.size() + 2);
        store_le(bytes.data() + bytes.size() - 2, static_cast<std::uint16_t>(number));
    };
    for (const auto list : filter_lists) add_number((filter.*core::member_of(list)).size());
    for (const auto list : filter_lists) {
        for (const std::string& entry : filter.*core::member_of(list)) {
            add_number(entry.size());
            bytes.insert(bytes.end(), entry.begin(), entry.end());
        }
    }
    return bytes;
}

/// Takes a filter from the front of `bytes`. Nothing if they make no sense.
std::optional<core::EventFilter> take_filter(std::span<const std::uint8_t>& bytes) {
    const auto take_number = [&]() -> std::optional<std::size_t> {
        if (bytes.size() < 2) return std::nullopt;
        const std::size_t number = load_le<std::uint16_t>(bytes.data());
        bytes = bytes.subspan(2);
        return number;
    };
    std::array<std::size_t, filter_lists.size()> counts{};
    for (std::size_t& count : counts) {
        const auto number = take_number();
        if (!number) return std::nullopt;
        count = *number;
    }
    core::EventFilter filter;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        auto& entries = filter.*core::member_of(filter_lists[i]);
        for (std::size_t left = counts[i]; left > 0; --left) {
            const auto size = take_number();
            if (!size || *size > bytes.size()) return std::nullopt;
            entries.emplace_back(as_text(bytes.first(*size)));
            bytes = bytes.subspan(*size);
        }
    }
    return filter.passes_all() ? std::nullopt : std::optional(std::move(filter));
}

void store_time(std::uint8_t* out, WallTime time) {
    store_le(out, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

WallTime load_time(const std::uint8_t* in) {
    return WallTime(Milliseconds(static_cast<std::int64_t>(load_le<std::uint64_t>(in))));
}

}  // namespace

JournalRecord to_record(const TokenEntry& entry) {
    const std::string_view secret = entry.secret.reveal();
    if (entry.source.size() > max_text || secret.size() > max_text) {
        throw std::invalid_argument("a source's name or a token is longer than 65535 bytes");
    }
    JournalRecord record;
    record.header.type = RecordType::token;
    record.header.token = entry.id;
    const std::vector<std::uint8_t> filter =
        entry.filter ? filter_bytes(*entry.filter) : std::vector<std::uint8_t>();
    record.payload.resize(at_text + entry.source.size() + secret.size());
    std::uint8_t* out = record.payload.data();
    out[at_state] = static_cast<std::uint8_t>(entry.state);
    out[at_origin] = static_cast<std::uint8_t>(entry.origin);
    out[at_pause] = static_cast<std::uint8_t>(entry.pause);
    out[at_flags] = entry.filter ? flag_filter : 0;
    store_time(out + at_since, entry.since);
    store_time(out + at_erase_at, entry.erase_at);
    std::memcpy(out + at_fingerprint, entry.fingerprint.data(), entry.fingerprint.size());
    store_le(out + at_source_length, static_cast<std::uint16_t>(entry.source.size()));
    store_le(out + at_secret_length, static_cast<std::uint16_t>(secret.size()));
    std::memcpy(out + at_text, entry.source.data(), entry.source.size());
    std::memcpy(out + at_text + entry.source.size(), secret.data(), secret.size());
    record.payload.insert(record.payload.end(), filter.begin(), filter.end());
    if (entry.flow_source) {
        const auto bytes = to_bytes(*entry.flow_source.get());
        record.payload.insert(record.payload.end(), bytes.begin(), bytes.end());
    }
    return record;
}

std::uint32_t version_of(const TokenEntry& entry) {
    if (entry.filter) return filter_version;
    return entry.flow_source ? flow_source_version : journal_version;
}

std::optional<TokenEntry> to_entry(const RecordHeader& header,
                                   std::span<const std::uint8_t> payload) {
    if (payload.size() < at_text || header.token == TokenId::none) return std::nullopt;
    const std::uint8_t* in = payload.data();
    const std::size_t source_length = load_le<std::uint16_t>(in + at_source_length);
    const std::size_t secret_length = load_le<std::uint16_t>(in + at_secret_length);
    const auto state = static_cast<TokenEntry::State>(in[at_state]);
    const auto origin = static_cast<TokenEntry::Origin>(in[at_origin]);
    const auto pause = static_cast<TokenEntry::Pause>(in[at_pause]);
    const std::size_t text_end = at_text + source_length + secret_length;
    if (text_end > payload.size() || in[at_flags] > flag_filter ||
        state < TokenEntry::State::active || state > TokenEntry::State::forgotten ||
        origin > TokenEntry::Origin::left || pause > TokenEntry::Pause::other_token) {
        return std::nullopt;
    }
    TokenEntry entry;
    entry.id = header.token;
    entry.state = state;
    entry.origin = origin;
    entry.pause = pause;
    entry.since = load_time(in + at_since);
    entry.erase_at = load_time(in + at_erase_at);
    std::memcpy(entry.fingerprint.data(), in + at_fingerprint, entry.fingerprint.size());
    const std::string_view text = as_text(payload.subspan(at_text));
    entry.source = text.substr(0, source_length);
    entry.secret = Secret(text.substr(source_length, secret_length));
    std::span<const std::uint8_t> rest = payload.subspan(text_end);
    if (in[at_flags] == flag_filter) {
        auto filter = take_filter(rest);
        if (!filter) return std::nullopt;
        entry.filter = std::move(*filter);
    }
    if (!rest.empty()) {
        auto flow_source = to_flow_source(rest);
        if (!flow_source) return std::nullopt;
        entry.flow_source = std::move(*flow_source);
    }
    return entry;
}

}  // namespace flowrelay::storage
