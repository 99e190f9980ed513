#include "registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "record_journal.hpp"
#include "slot_record.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::string_view advice =
    "put it back from a copy (without it, what is queued keeps waiting)";

// The file is made anew when it is larger than this and mostly of the past.
constexpr std::uint64_t compact_above = 64 * 1024;

using Entries = std::map<TokenId, TokenEntry>;

using Holds = std::map<TokenId, core::Hold>;

// The fingerprint is all that does not fit into the header.
JournalRecord hold_record(const core::Hold& hold) {
    JournalRecord record;
    record.header.type = RecordType::hold;
    record.header.token = hold.token;
    record.header.thread_hash = hold.destination;
    record.header.expires = hold.until;
    if (hold.token != TokenId::none) {
        record.payload.assign(hold.fingerprint.begin(), hold.fingerprint.end());
    }
    return record;
}

core::Hold to_hold(const RecordHeader& header, std::span<const std::uint8_t> payload) {
    core::Hold hold;
    hold.token = header.token;
    hold.destination = header.thread_hash;
    hold.until = header.expires;
    if (payload.size() == hold.fingerprint.size()) {
        std::memcpy(hold.fingerprint.data(), payload.data(), payload.size());
    }
    return hold;
}

/// Collects the slots, and the damage.
class Loader final : public RecordSink {
public:
    void record(const ScannedRecord& record) override {
        const bool is_salt = record.header.type == RecordType::registry_salt &&
                             record.payload.size() == std::tuple_size_v<Salt>;
        if (record.intact && is_salt) {
            salt.emplace();
            std::memcpy(salt->data(), record.payload.data(), salt->size());
            return;
        }
        if (record.intact && record.header.type == RecordType::hold) {
            holds[record.header.token] = to_hold(record.header, record.payload);
            return;
        }
        auto entry = record.intact && record.header.type == RecordType::token
                         ? to_entry(record.header, record.payload)
                         : std::nullopt;
        if (entry) {
            entries.insert_or_assign(entry->id, std::move(*entry));
        } else {
            damage(record.offset, record_size(record.header));
        }
    }
    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        damaged.push_back({offset, bytes});
    }

    /// To be called at the end: checks that there is a salt.
    void finish() {
        if (damaged.empty() && !salt) damage(journal_header_size, 0);
        remove_forgotten();
    }

    std::optional<Salt> salt;
    Entries entries;
    Holds holds;
    std::vector<JournalScan::Damage> damaged;

private:
    /// Marks slots as removed that were to be forgotten but are still in the file, while a later
    /// slot has their token. Their data must still be erased.
    void remove_forgotten() {
        std::set<Fingerprint> seen;
        for (auto slot = entries.rbegin(); slot != entries.rend(); ++slot) {
            TokenEntry& entry = slot->second;
            const bool is_later = !seen.insert(entry.fingerprint).second;
            const bool is_direct = entry.origin == TokenEntry::Origin::direct ||
                                   entry.origin == TokenEntry::Origin::unstated;
            const bool is_plain =
                entry.state == TokenEntry::State::active && is_direct && entry.source.empty();
            if (!is_later || !is_plain) continue;
            entry.state = TokenEntry::State::removed;
            entry.erase_at = entry.since;
        }
    }
};

class JournalRegistry final : public Registry {
public:
    JournalRegistry(RecordJournal journal, const Salt& salt, Entries entries, Holds holds)
        : journal_(std::move(journal)),
          salt_(salt),
          entries_(std::move(entries)),
          holds_(std::move(holds)) {}

    const Salt& salt() const override { return salt_; }

    std::vector<TokenEntry> entries() const override {
        std::vector<TokenEntry> result;
        for (const auto& [id, entry] : entries_) result.push_back(entry);
        return result;
    }

    Result<void> put(std::span<const TokenEntry> changed) override {
        if (changed.empty()) return {};
        Result<void> done;
        if (loses_secret(changed) || is_of_newer_format(changed) || has_to_be_rewritten()) {
            Entries next = entries_;
            for (const TokenEntry& entry : changed) next.insert_or_assign(entry.id, entry);
            done = rewrite(journal_, salt_, next, holds_);
            if (done.has_value()) {
                entries_ = std::move(next);
                has_forgotten_ = false;
            }
        } else {
            done = append(changed);
            // The state in memory matches what the caller was told.
            if (done.has_value()) take(changed);
        }
        return done;
    }

    void forget(std::span<const TokenId> slots) override {
        for (const TokenId id : slots) {
            entries_.erase(id);
            holds_.erase(id);
        }
        // If this fails, the next change rewrites the file.
        has_forgotten_ = rewrite(journal_, salt_, entries_, holds_).has_error();
    }

    std::vector<core::Hold> holds() const override {
        std::vector<core::Hold> result;
        for (const auto& [token, hold] : holds_) result.push_back(hold);
        return result;
    }

    Result<void> put_hold(const core::Hold& hold) override {
        Result<void> done;
        if (has_to_be_rewritten()) {
            Holds next = holds_;
            next[hold.token] = hold;
            done = rewrite(journal_, salt_, entries_, next);
            if (done.has_value()) has_forgotten_ = false;
        } else {
            const JournalRecord record = hold_record(hold);
            const auto added = journal_.append({&record, 1});
            if (added.has_error()) done = added.error();
        }
        if (done.has_value()) holds_[hold.token] = hold;
        return done;
    }

    Result<void> confirm() override { return journal_.confirm(); }

    static Result<void> rewrite(RecordJournal& journal, const Salt& salt, const Entries& entries,
                                const Holds& holds) {
        std::vector<JournalRecord> records(1);
        records[0].header.type = RecordType::registry_salt;
        records[0].payload.assign(salt.begin(), salt.end());
        std::uint32_t version = journal_version;
        for (const auto& [id, entry] : entries) {
            records.push_back(to_record(entry));
            version = std::max(version, version_of(entry));
        }
        for (const auto& [token, hold] : holds) records.push_back(hold_record(hold));
        return journal.rewrite(records, version);
    }

private:
    Result<void> append(std::span<const TokenEntry> changed) {
        std::vector<JournalRecord> records;
        for (const TokenEntry& entry : changed) records.push_back(to_record(entry));
        auto added = journal_.append(records);
        if (added.has_error()) return added.error();
        return {};
    }

    void take(std::span<const TokenEntry> changed) {
        for (const TokenEntry& entry : changed) entries_.insert_or_assign(entry.id, entry);
    }

    /// Whether a secret that is in the file, or what is said of its source, or its filter, must not
    /// be there any more.
    bool loses_secret(std::span<const TokenEntry> changed) const {
        // One call may change a slot several times: the last entry counts.
        std::map<TokenId, const TokenEntry*> seen;
        for (const TokenEntry& entry : changed) {
            const auto known = entries_.find(entry.id);
            const TokenEntry*& old = seen[entry.id];
            if (old == nullptr && known != entries_.end()) old = &known->second;
            if (old != nullptr) {
                if (!old->secret.empty() && old->secret != entry.secret) return true;
                if (old->flow_source && old->flow_source != entry.flow_source) return true;
                if (old->filter && old->filter != entry.filter) return true;
            }
            old = &entry;
        }
        return false;
    }

    /// Whether the next change can't be appended.
    bool has_to_be_rewritten() const {
        return journal_.broken() || has_forgotten_ || is_mostly_past();
    }

    /// Whether the entries need a newer format than the header of the file has.
    bool is_of_newer_format(std::span<const TokenEntry> changed) const {
        return std::ranges::any_of(
            changed, [this](const auto& entry) { return version_of(entry) > journal_.version(); });
    }

    /// Whether most of the file is obsolete. Estimates the sizes of slots and deferrals, so it is
    /// cheap.
    bool is_mostly_past() const {
        constexpr std::uint64_t typical_slot = 256;
        const std::uint64_t present =
            entries_.size() * typical_slot +
            holds_.size() * (record_header_size + std::tuple_size_v<Fingerprint>);
        return journal_.end() > compact_above && journal_.end() > 4 * present;
    }

    RecordJournal journal_;
    Salt salt_;
    Entries entries_;
    Holds holds_;
    bool has_forgotten_ = false;  ///< the file still has forgotten slots
};

}  // namespace

Result<std::unique_ptr<Registry>> Registry::open(FileSystem& file_system, const std::string& path,
                                                 Log& log) {
    RecordJournal journal(file_system, path, JournalKind::registry);
    const auto exists = journal.exists();
    if (exists.has_error()) return exists.error();
    Loader loaded;
    if (*exists) {
        if (auto opened = journal.open(loaded, log); opened.has_error()) {
            Error error = opened.error();
            if (error.code == boost::system::errc::io_error)
                error.message.append(": ").append(advice);
            return error;
        }
        loaded.finish();
        if (!loaded.damaged.empty()) {
            return Error{boost::system::errc::make_error_code(boost::system::errc::io_error),
                         fmt::format("the registry of tokens {} is damaged at offset {}: {}", path,
                                     loaded.damaged.front().offset, advice)};
        }
    } else {
        loaded.salt = make_salt();
        const auto made = JournalRegistry::rewrite(journal, *loaded.salt, {}, {});
        if (made.has_error()) return made.error();
    }
    return std::unique_ptr<Registry>(std::make_unique<JournalRegistry>(
        std::move(journal), *loaded.salt, std::move(loaded.entries), std::move(loaded.holds)));
}

Result<Registry::Contents> Registry::inspect(FileSystem& file_system, const std::string& path) {
    Loader loaded;
    auto scan = RecordJournal::inspect(file_system, path, JournalKind::registry, loaded);
    if (scan.has_error()) return scan.error();
    if (scan->damage.empty()) loaded.finish();
    scan->damage.insert(scan->damage.begin(), loaded.damaged.begin(), loaded.damaged.end());
    Contents contents{std::move(*scan), {}};
    for (auto& [id, entry] : loaded.entries) contents.entries.push_back(std::move(entry));
    return contents;
}

}  // namespace flowrelay::storage
