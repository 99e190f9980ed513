// A token slot as a record of the registry. The one place that knows the bytes of its payload;
// docs/spool-format.md describes them for people.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "flowrelay/core/stored_event.hpp"
#include "record_journal.hpp"

namespace flowrelay::storage {

/// The record of a slot. Throws std::invalid_argument for texts that are too long: core has refused
/// those.
JournalRecord to_record(const core::TokenEntry& entry);

/// The slot of a record whose payload is intact; nothing if the payload makes no sense.
std::optional<core::TokenEntry> to_entry(const RecordHeader& header,
                                         std::span<const std::uint8_t> payload);

/// The earliest format of a registry that can hold the slot.
std::uint32_t version_of(const core::TokenEntry& entry);

}  // namespace flowrelay::storage
