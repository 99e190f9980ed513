#include "flowrelay/storage/spool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "dead_letters.hpp"
#include "flowrelay/core/log_events.hpp"
#include "high_water.hpp"
#include "registry.hpp"
#include "spool_files.hpp"

namespace flowrelay::storage {

namespace ev = core::log_events;

Result<std::unique_ptr<Spool>> Spool::open(FileSystem& file_system, const std::string& directory,
                                           const LogOptions& options, Log& log) {
    const auto path_of = [&directory](std::string_view name) {
        return fmt::format("{}/{}", directory, name);
    };
    LogOptions all = options;
    all.high_water = path_of(high_water_name);
    // The log is created before the other two.
    all.used_before = false;
    for (const std::string_view name : {registry_name, letters_name}) {
        const auto exists = file_system.exists(path_of(name));
        if (exists.has_error()) return exists.error();
        all.used_before = all.used_before || *exists;
    }
    // The log first: its lock keeps other processes away from the other two.
    auto queue = open_segmented_log(file_system, path_of(log_directory_name), all, log);
    if (queue.has_error()) return queue.error();
    auto registry = Registry::open(file_system, path_of(registry_name), log);
    if (registry.has_error()) return registry.error();
    auto letters = DeadLetters::open(file_system, path_of(letters_name), log);
    if (letters.has_error()) return letters.error();
    return std::unique_ptr<Spool>(
        new Spool(std::move(*queue), std::move(*registry), std::move(*letters), log));
}

Spool::Spool(std::unique_ptr<EventQueue> queue, std::unique_ptr<Registry> registry,
             std::unique_ptr<DeadLetters> letters, Log& log)
    : queue_(std::move(queue)),
      registry_(std::move(registry)),
      letters_(std::move(letters)),
      log_(log) {}

Spool::~Spool() = default;

// ---------------------------------------------------------------- the start

Result<Spool::Recovered> Spool::recover() {
    auto backlogs = queue_->backlog();
    if (backlogs.has_error()) return backlogs.error();
    // No event may get the seq of a letter, even if the log is an earlier one.
    for (const auto& [seq, token] : letters_->all()) queue_->reserve(seq);
    if (auto withdrawn = withdraw_queued(*backlogs); withdrawn.has_error()) {
        return withdrawn.error();
    }
    Recovered recovered;
    recovered.backlogs = std::move(*backlogs);
    for (const auto& [seq, token] : letters_->all()) ++recovered.letters[token];
    return recovered;
}

/// Withdraws letters whose events are still queued: a crash came between the letter and its outcome
/// in the log.
Result<void> Spool::withdraw_queued(std::span<const Backlog> backlogs) {
    std::vector<Seq> queued;
    for (const auto& [seq, token] : letters_->all()) {
        const auto backlog = std::ranges::find(backlogs, token, &Backlog::token);
        if (backlog == backlogs.end() || seq < backlog->first) continue;
        const auto event = queue_->read(seq);
        const bool absent = event.has_error() && event.error().code == QueueErrc::not_found;
        const bool damaged = event.has_error() && event.error().code == QueueErrc::damaged;
        // An unreadable index does not show whether the event is queued.
        if (event.has_error() && !absent && !damaged) return event.error();
        if (!absent) queued.push_back(seq);
    }
    return letters_->withdraw(queued);
}

void Spool::known_ids(WallTime since, std::size_t limit,
                      const std::function<void(const EventQueue::KnownId&)>& use) {
    queue_->known_ids(since, limit, use);
}

// ---------------------------------------------------------------- tokens

const Salt& Spool::salt() const {
    return registry_->salt();
}

std::vector<core::TokenEntry> Spool::entries() const {
    return registry_->entries();
}

Result<void> Spool::put(std::span<const core::TokenEntry> entries) {
    auto result = put_with_owed(entries);
    if (result.has_error()) {
        for (const auto& entry : entries) owed_entries_.insert_or_assign(entry.id, entry);
    }
    return result;
}

/// After a failure the next change rewrites the registry as a whole; the log is not affected.
Result<void> Spool::put_new(std::span<const core::TokenEntry> entries) {
    auto result = put_with_owed(entries);
    const bool failed = result.has_error();
    if (failed) {
        const Error& error = result.error();
        const bool full = is_disk_full(error.code) || is_out_of_descriptors(error.code);
        token_error_ = Error{full ? QueueErrc::full : QueueErrc::failed, error.message};
        if (!token_failed_) log_.write(ev::token_not_kept, {{"reason", error.message}});
    }
    token_failed_ = failed;
    return result;
}

Result<void> Spool::put_with_owed(std::span<const core::TokenEntry> entries) {
    if (owed_entries_.empty()) return registry_->put(entries);
    auto owed = owed_entries_;
    for (const auto& entry : entries) owed.insert_or_assign(entry.id, entry);
    std::vector<core::TokenEntry> all;
    for (auto& [id, entry] : owed) all.push_back(std::move(entry));
    auto result = registry_->put(all);
    if (result.has_value()) owed_entries_.clear();
    return result;
}

void Spool::forget(std::span<const TokenId> slots) {
    for (const TokenId slot : slots) owed_entries_.erase(slot);
    registry_->forget(slots);
}

std::vector<core::Hold> Spool::holds() const {
    return registry_->holds();
}

Result<void> Spool::put_hold(const core::Hold& hold) {
    return registry_->put_hold(hold);
}

// ---------------------------------------------------------------- books

Spool::Missing Spool::missing() const {
    const core::Ledger ledger = queue_->ledger();
    return {letters_->corrected(ledger).unaccounted(queue_->usage().events),
            letters_->missing_loss(ledger)};
}

Result<void> Spool::book_lost(const core::Loss& loss, const core::LossBooking& booking) {
    auto booked = queue_->book_lost(loss, booking);
    if (booked.has_value() && loss.letters() > 0) static_cast<void>(letters_->drop_damage());
    return booked;
}

Spool::Status Spool::status() const {
    const core::Ledger ledger = queue_->ledger();
    const std::uint64_t kept = letters_->kept().letters;
    return {letters_->corrected(ledger),
            queue_->usage(),
            queue_->last_loss(),
            kept,
            letters_->size() - kept,
            letters_->missing(ledger),
            failed_,
            refusing_};
}

// ---------------------------------------------------------------- upkeep

void Spool::set_limits(const QueueLimits& limits) {
    queue_->set_limits(limits);
}

bool Spool::maintain() {
    const auto more = queue_->maintain();
    if (more.has_error()) note_commit(more.error(), {});
    return more.has_value() && *more;
}

void Spool::note_progress() {
    queue_->note_progress();
}

void Spool::confirm() {
    static_cast<void>(queue_->confirm());
    static_cast<void>(registry_->confirm());
    static_cast<void>(letters_->confirm());
}

}  // namespace flowrelay::storage
