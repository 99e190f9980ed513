// Random changes of names and tokens, against an oracle that is written from docs/sources.md: it
// knows tokens, names and events, and nothing of slots. docs/testing.md has what it notices when a
// rule is broken.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core {
namespace {

using State = TokenEntry::State;

constexpr std::size_t tokens_there_are = 6;
constexpr std::size_t names_there_are = 4;

/// What the page says of a token that has a queue.
struct Held {
    enum class Kind { direct, configured, added, left };
    std::string name;
    Kind kind = Kind::direct;
    bool known = true;  ///< the relay can post with it
    bool gone = false;
    bool erased = false;
    bool paused = false;

    bool is_source() const { return kind == Kind::configured || kind == Kind::added; }
};

struct Event {
    TokenId slot;
    std::string token;     ///< it was accepted for, or that one's successor
    bool removed = false;  ///< by an operator
};

using Config = std::map<std::string, std::string>;  // the tokens of names

class Life {
public:
    explicit Life(std::uint64_t seed) : random_(seed), table_(std::in_place, Salt{}, entries()) {}

    /// What went wrong; empty when nothing did.
    std::string live(int steps) {
        for (int i = 0; i < steps && wrong_.empty(); ++i) {
            step();
            check();
        }
        return wrong_.empty() ? "" : story_ + wrong_;
    }

private:
    // ---- the operators, producers and the server

    void step() {
        switch (random_.below(13)) {
            case 0:
            case 1:
                another_configuration();
                break;
            case 2:
                restart();
                break;
            case 3:
                add(some_name(), some_token());
                break;
            case 4:
                rotate(some_name(), some_token());
                break;
            case 5:
                remove(random_.chance(0.8) ? some_name() : some_slot());
                break;
            case 6:
                answer_410(some_token());
                break;
            case 7:
                enable(some_token());
                break;
            case 8:
                erase();
                break;
            case 9:
                pause(some_token(), random_.chance(0.5));
                break;
            default:
                submit(random_.chance(0.5), !random_.chance(0.2), !random_.chance(0.3));
        }
    }

    std::string some_name() { return fmt::format("n{}", random_.below(names_there_are)); }
    std::string some_token() { return fmt::format("t{}", random_.below(tokens_there_are)); }
    std::string some_slot() { return fmt::format("token-{}", 1 + random_.below(12)); }

    void say(std::string what) { story_ += what + "\n"; }
    void wrong(std::string what) { wrong_ += "WRONG: " + what + "\n"; }

    void another_configuration() {
        // Moves, swaps, rotations, removals and additions of the one before.
        Config config = config_;
        for (std::uint64_t changes = 1 + random_.below(3); changes > 0; --changes) {
            const std::string a = some_name();
            const std::string b = some_name();
            if (random_.chance(0.3) && config.contains(a) && config.contains(b)) {
                std::swap(config[a], config[b]);
            } else if (random_.chance(0.4)) {
                config.erase(a);
            } else {
                const std::string token = some_token();
                std::erase_if(config, [&](const auto& item) { return item.second == token; });
                config[a] = token;
            }
        }
        const bool same = config == config_;
        config_ = std::move(config);
        configure(same);
    }

    void configure(bool nothing_new) {
        std::vector<ConfiguredSource> sources;
        std::string told = "configure";
        for (const auto& [name, token] : config_) {
            ConfiguredSource source;
            source.name = name;
            source.secret = Secret(token);
            sources.push_back(std::move(source));
            told += fmt::format(" {}:{}", name, token);
        }
        say(told);
        // What was removed begins again, and what was added since may be meant by it.
        for (const auto& [name, token] : config_) {
            const auto held = held_.find(token);
            nothing_new &= held != held_.end() && held->second.name == name &&
                           held->second.kind == Held::Kind::configured;
        }
        expect_configuration();
        const auto changes = table_->configure(std::move(sources), tick()).entries;
        save(changes);
        if (nothing_new && !changes.empty()) wrong("the same configuration changes something");
    }

    void restart() {
        say("restart");
        table_.emplace(Salt{}, entries());
        for (auto& [token, held] : held_) {
            if (held.kind == Held::Kind::configured) held.known = false;
        }
        configure(true);
    }

    void add(const std::string& name, const std::string& token) {
        say(fmt::format("add {}:{}", name, token));
        const bool expected = expect_add(name, token);
        const auto changes = table_->add_source(name, Secret(token), tick());
        if (changes.has_value() != expected) {
            wrong(expected ? "refused: " + changes.error().message : "added, against the page");
        }
        if (changes.has_value()) save(*changes);
    }

    void rotate(const std::string& name, const std::string& token) {
        const auto slot = table_->find(name);
        if (!slot) return;
        say(fmt::format("rotate {}:{}", name, token));
        const bool expected = expect_rotation(name, token);
        const auto changes = table_->rotate(*slot, Secret(token), tick());
        if (changes.has_value() != expected) {
            wrong(expected ? "refused: " + changes.error().message : "rotated, against the page");
        }
        if (changes.has_value()) save(*changes);
    }

    void remove(const std::string& label) {
        const auto slot = table_->find(label);
        if (!slot) return;
        say("remove " + label);
        const auto changes = table_->remove(*slot, tick());
        if (!changes.has_value()) return;
        save(*changes);
        const std::string token = token_of(prints_[*slot]);
        held_.erase(token);
        for (auto& event : events_) event.removed |= event.slot == *slot;
    }

    void answer_410(const std::string& token) {
        const auto held = held_.find(token);
        if (held == held_.end() || held->second.gone || !held->second.known) return;
        for (const auto& [id, slot] : table_->all()) {
            if (slot.gone() || slot.entry.secret.reveal() != token) continue;
            say("410 " + token);
            held->second.gone = true;
            save(table_->disable(id, tick(), Seconds(60)));
            return;
        }
        wrong(token + " is posted with, and no slot has it");
    }

    void enable(const std::string& token) {
        const auto held = held_.find(token);
        for (const auto& [id, slot] : table_->all()) {
            if (!slot.gone() || slot.entry.fingerprint != print(token)) continue;
            say("enable " + token);
            const bool expected =
                held != held_.end() && held->second.gone && !held->second.erased && !slot.removed();
            const auto changes = table_->enable(id, tick());
            if (changes.has_value() != expected) wrong("enable, against the page");
            if (!changes.has_value()) return;
            held->second.gone = held->second.paused = false;
            save(*changes);
            return;
        }
    }

    /// The erasure of one slot ends.
    void erase() {
        for (const auto& [id, slot] : table_->all()) {
            const bool due = slot.entry.state == State::gone || slot.entry.state == State::removed;
            if (!due || random_.chance(0.5)) continue;
            say("erased " + slot_name(id));
            for (const auto& event : events_) {
                if (event.slot != id || event.removed) continue;
                const auto held = held_.find(event.token);
                if (held == held_.end() || !held->second.gone) wrong("erased without a 410");
            }
            std::erase_if(events_, [&](const Event& event) { return event.slot == id; });
            if (slot.entry.state == State::gone) {
                const auto held = held_.find(token_of(slot.entry.fingerprint));
                if (held != held_.end()) held->second.erased = true;
            }
            const TokenId erased = id;
            save({table_->erased(erased, tick())});
            return;
        }
    }

    void pause(const std::string& token, bool paused) {
        const auto held = held_.find(token);
        if (held == held_.end()) return;
        for (const auto& [id, slot] : table_->all()) {
            if (slot.gone() || slot.entry.fingerprint != print(token)) continue;
            say((paused ? "pause " : "resume ") + token);
            const auto changes = paused ? table_->pause(id, tick()) : table_->resume(id, tick());
            if (changes.has_value() != (paused || held->second.known)) {
                wrong("pause or resume, against the page");
            }
            if (!changes.has_value()) return;
            held->second.paused = paused;
            save(*changes);
            return;
        }
    }

    /// `complete`: the event is right, otherwise it is refused after its slot was looked up.
    void submit(bool by_name, bool accept_unknown, bool complete) {
        const std::string name = some_name();
        std::string token = some_token();
        const Addressee to = by_name ? Addressee(SourceName{name}) : Addressee(Secret(token));
        say(fmt::format("submit {}{}{}", by_name ? name : token, accept_unknown ? "" : " (reject)",
                        complete ? "" : ", a wrong one"));
        std::optional<RejectCode> expected;
        if (by_name) {
            const auto source = source_of(name);
            if (!source) expected = RejectCode::unknown_source;
            token = source.value_or("");
        }
        const auto held = held_.find(token);
        if (!expected && held != held_.end() && held->second.gone) {
            expected = RejectCode::token_gone;
        } else if (!expected && !accept_unknown &&
                   (held == held_.end() || !held->second.is_source())) {
            expected = RejectCode::unknown_source;
        }
        const auto found = table_->resolve(to, accept_unknown);
        if (found.has_error() != expected.has_value()) {
            wrong(expected ? "accepted, against the page" : "refused: " + found.error().message);
        } else if (expected && found.error().code != *expected) {
            wrong("refused as " + std::string(to_string(found.error().code)));
        }
        if (found.has_error() || expected || !complete) return;
        const TokenId slot = table_->take(to, tick());
        if (*found != TokenId::none && slot != *found) wrong("taken by another slot than found");
        if (!table_->at(slot).durable) save({table_->registry_entry(slot)});
        held_[token].known = true;
        events_.push_back({slot, token});
    }

    // ---- what the page says

    /// The token of the source that producers mean by a name.
    std::optional<std::string> source_of(const std::string& name) const {
        std::optional<std::string> found;
        for (const auto& [token, held] : held_) {
            if (!held.is_source() || held.name != name) continue;
            if (!found || held_.at(*found).gone) found = token;
        }
        return found;
    }

    /// The token that a new one of this name succeeds: the source's, or that of the only one that
    /// has left.
    static std::optional<std::string> predecessor(const std::map<std::string, Held>& held_before,
                                                  const std::string& name, const Config& config) {
        std::vector<std::string> left;
        for (const auto& [token, held] : held_before) {
            const bool taken =
                std::ranges::any_of(config, [&](const auto& item) { return item.second == token; });
            if (held.name != name || held.gone || taken) continue;
            if (held.is_source()) return token;
            left.push_back(token);
        }
        return left.size() == 1 ? std::optional(left.front()) : std::nullopt;
    }

    void succeed(const std::string& old, const std::string& token) {
        held_[token] = held_.at(old);
        held_.erase(old);
        for (auto& event : events_) {
            if (event.token == old && !event.removed) event.token = token;
        }
    }

    void expect_configuration() {
        const auto before = held_;
        for (const auto& [name, token] : config_) {
            if (before.contains(token)) continue;
            if (const auto old = predecessor(before, name, config_)) succeed(*old, token);
        }
        for (auto& [token, held] : held_) {
            const bool named = std::ranges::any_of(
                config_, [&](const auto& item) { return item.second == token; });
            const bool displaced = held.kind == Held::Kind::added && config_.contains(held.name);
            if (named || (held.kind != Held::Kind::configured && !displaced)) continue;
            if (held.kind == Held::Kind::configured) held.known = false;
            held.kind = Held::Kind::left;
        }
        for (const auto& [name, token] : config_) {
            Held& held = held_[token];
            held.name = name;
            held.kind = Held::Kind::configured;
            held.known = true;
        }
    }

    bool may_have(const std::string& token, const std::string& name) const {
        const auto held = held_.find(token);
        if (held == held_.end()) return true;
        if (held->second.gone || held->second.is_source()) return false;
        if (held->second.kind == Held::Kind::direct) return true;
        return held->second.name == name || source_of(held->second.name);
    }

    bool expect_add(const std::string& name, const std::string& token) {
        const auto source = source_of(name);
        if (source && !held_.at(*source).gone) return false;
        if (source && held_.at(*source).kind == Held::Kind::configured) return false;
        if (!may_have(token, name)) return false;
        for (auto& [other, held] : held_) {
            if (held.is_source() && held.name == name) held.kind = Held::Kind::left;
        }
        if (!held_.contains(token)) {
            if (const auto old = predecessor(held_, name, {})) succeed(*old, token);
        }
        Held& held = held_[token];
        held.name = name;
        held.kind = Held::Kind::added;
        held.known = true;
        return true;
    }

    bool expect_rotation(const std::string& name, const std::string& token) {
        const auto source = source_of(name);
        if (!source || held_.at(*source).kind != Held::Kind::added) return false;
        if (held_.at(*source).gone) return false;
        if (token == *source) return true;
        if (held_.contains(token)) return false;
        succeed(*source, token);
        return true;
    }

    // ---- what must hold at all times

    void check() {
        std::map<std::string, TokenId> slots;
        for (const auto& event : events_) {
            const Token& slot = table_->at(event.slot);
            if (event.removed) {
                if (!slot.removed()) wrong("what was removed is there again");
                continue;
            }
            const Held& held = held_.at(event.token);
            if (slot.removed()) wrong("removed, and nobody asked for it");
            if (slot.gone() != held.gone)
                wrong(event.token + (held.gone ? " goes on" : " is gone"));
            if (slot.gone()) continue;
            const std::string secret(slot.entry.secret.reveal());
            if (!secret.empty() && secret != event.token) {
                wrong(fmt::format("an event of {} is posted with {}", event.token, secret));
            }
            if (secret.empty() == held.known) {
                wrong(event.token + (held.known ? " waits for its token" : " has come back"));
            }
            if ((slot.entry.state == State::paused) != held.paused) wrong("a pause is lost");
            if (slots.try_emplace(event.token, event.slot).first->second != event.slot) {
                wrong("two queues of " + event.token + ": no order between them");
            }
        }
        for (const auto& [id, slot] : table_->all()) {
            if (registry_[id] != table_->registry_entry(id)) {
                wrong("the registry was not told of " + slot_name(id));
            }
            prints_[id] = slot.entry.fingerprint;
        }
        for (const auto& [name, token] : config_) {
            const auto source = table_->resolve(SourceName{name}, false);
            const auto held = held_.find(token);
            if (held == held_.end()) continue;  // removed, though configured
            if (held->second.name != name) continue;
            if (source.has_error() != held->second.gone) wrong(name + " is not what it should be");
        }
    }

    // ---- the registry

    std::vector<TokenEntry> entries() const {
        std::vector<TokenEntry> all;
        for (const auto& [id, entry] : registry_) all.push_back(entry);
        return all;
    }

    void save(const std::vector<TokenEntry>& changes) {
        for (const auto& entry : changes) {
            registry_[entry.id] = entry;
            table_->mark_durable(entry);
        }
    }

    static Fingerprint print(const std::string& token) { return fingerprint(token, Salt{}); }

    static std::string token_of(const Fingerprint& print_of) {
        for (std::size_t i = 0; i < tokens_there_are; ++i) {
            if (print(fmt::format("t{}", i)) == print_of) return fmt::format("t{}", i);
        }
        return "";
    }

    WallTime tick() { return WallTime(Seconds(++clock_)); }

    Random random_;
    std::map<TokenId, TokenEntry> registry_;
    std::optional<TokenTable> table_;
    std::map<TokenId, Fingerprint> prints_;  ///< before the change
    Config config_;
    std::map<std::string, Held> held_;
    std::vector<Event> events_;
    std::uint64_t clock_ = 0;
    std::string story_;
    std::string wrong_;
};

TEST(IdentityProperty, EachEventKeepsItsTokenUnlessAnOperatorNamesASuccessor) {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        const std::string wrong = Life(seed).live(60);
        ASSERT_EQ(wrong, "") << "seed " << seed;
    }
}

}  // namespace
}  // namespace flowrelay::core
