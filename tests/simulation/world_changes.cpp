// Operators' changes to names, tokens and destination, and which sources producers name meanwhile.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "world.hpp"

namespace flowrelay::test {

namespace {

constexpr std::uint64_t names_there_are = 8;

}  // namespace

// ---------------------------------------------------------------- producers

std::vector<std::size_t> World::slots_there_are() const {
    std::vector<std::size_t> there;
    const auto& slots = model_.slots().all();
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
        if (slots[slot].exists && !slots[slot].removed) there.push_back(slot);
    }
    return there;
}

std::optional<std::size_t> World::some_slot() {
    const auto there = slots_there_are();
    return there.empty() ? std::nullopt : std::optional(one_of(there));
}

std::size_t World::some_token() {
    const auto slot = some_slot();
    return slot ? model_.slots().at(*slot).is.token : 0;
}

std::vector<std::string> World::source_names() const {
    std::vector<std::string> names;
    for (const auto& [name, token] : setup_.sources()) names.push_back(name);
    for (const auto& slot : model_.slots().all()) {
        const bool is_added = slot.is_source() && slot.is.kind == Slots::Kind::added;
        if (slot.exists && is_added) names.push_back(slot.is.name);
    }
    return names;
}

Model::Address World::some_address() {
    const auto names = source_names();
    const std::size_t which = random_.below(names.size() + direct_.size() + 1);
    if (random_.chance(0.03)) return {"", random_.below(setup_.tokens())};  // may be a former one
    if (which < names.size()) {
        const std::string& name = names[which];
        const std::size_t slash = name.find('/');
        return {random_.chance(0.6) ? name.substr(0, slash) : name, 0};
    }
    if (which < names.size() + direct_.size()) return {"", direct_[which - names.size()]};
    return {"", some_token()};
}

// Returns how a producer can name this slot now, if possible.
std::optional<Model::Address> World::address_of(std::size_t slot) {
    const Slots& slots = model_.slots();
    const auto& of = slots.at(slot);
    if (of.removed) return std::nullopt;
    if (of.is_source() && slots.of_name(of.is.name) == slot && random_.chance(0.8)) {
        return Model::Address{of.is.name, 0};
    }
    if (slots.of_token(of.is.token) == slot) return Model::Address{"", of.is.token};
    return std::nullopt;
}

// ---------------------------------------------------------------- operators

std::string World::some_name() {
    return source_name(random_.below(names_there_are));
}

std::optional<std::string> World::some_source() {
    if (setup_.sources().empty()) return std::nullopt;
    const auto which = static_cast<std::ptrdiff_t>(random_.below(setup_.sources().size()));
    return std::next(setup_.sources().begin(), which)->first;
}

// Returns a new token, or one that is or was in use.
std::size_t World::token_to_use() {
    switch (random_.below(4)) {
        case 0:
            return random_.below(std::max<std::size_t>(setup_.tokens(), 1));
        case 1:
            return some_token();
        default:
            return setup_.new_token();
    }
}

// Changes the setup while requests are in flight, if there are any soon.
void World::change_setup() {
    for (int look = 0; look < 20 && model_.under_way().empty(); ++look) {
        run_until(agenda_.now().mono + Milliseconds(random_.below(30)));
    }
    if (random_.chance(0.3)) {
        change_a_source();
        return;
    }
    for (std::uint64_t changes = random_.chance(0.7) ? 1 : 2; changes > 0; --changes) {
        edit_configuration();
    }
    load_setup();
}

void World::edit_configuration() {
    const auto source = some_source();
    switch (random_.below(9)) {
        case 8:
            if (source) filter_in_setup(*source);
            return;
        case 0:
            log_.say("-- another base URL");
            setup_.move();
            model_.moved();
            return;
        case 1:
        case 2:
            if (source) {
                log_.say(fmt::format("-- {} gets another token", *source));
                setup_.set(*source, random_.chance(0.6) ? setup_.new_token() : token_to_use());
            }
            return;
        case 3:
            if (source) {
                log_.say(fmt::format("-- {} out of the configuration", *source));
                out_[*source] = setup_.sources().at(*source);
                setup_.take_out(*source);
            }
            return;
        case 4:
            put_back();
            return;
        default:
            move_names();
    }
}

void World::filter_in_setup(const std::string& source) {
    const auto filter = static_cast<unsigned>(random_.below(filters_there_are + 1));
    log_.say(fmt::format("-- {} gets filter {} in the configuration", source, filter));
    setup_.set_filter(source, filter);
}

void World::put_back() {
    if (out_.empty()) return;
    const auto which = static_cast<std::ptrdiff_t>(random_.below(out_.size()));
    const auto back = out_.extract(std::next(out_.begin(), which));
    const std::string name = random_.chance(0.8) ? back.key() : some_name();
    log_.say(fmt::format("-- {} in the configuration again", name));
    setup_.set(name, random_.chance(0.7) ? back.mapped() : token_to_use());
}

// Renames and swaps sources, moves names to other tokens, and names a token that events brought.
void World::move_names() {
    Setup::Sources sources = setup_.sources();
    const auto a = some_source();
    const auto b = some_source();
    const std::string name = some_name();
    switch (a ? random_.below(4) : 3) {
        case 0:
            log_.say(fmt::format("-- {} is called {}", *a, name));
            setup_.take_out(*a);
            setup_.set(name, sources.at(*a));
            return;
        case 1:
            log_.say(fmt::format("-- {} and {} swap their tokens", *a, *b));
            std::swap(sources.at(*a), sources.at(*b));
            setup_.replace(std::move(sources));
            return;
        case 2:
            log_.say(fmt::format("-- {} is called {}, and that {}", *a, *b, name));
            setup_.take_out(*a);
            setup_.set(*b, sources.at(*a));
            if (*a != *b) setup_.set(name, sources.at(*b));
            return;
        default:
            log_.say(fmt::format("-- {} gets the token of a slot", name));
            setup_.set(name, some_token());
    }
}

void World::load_setup() {
    options_.relay.destination = setup_.destination();
    process_->reload();
}

void World::change_a_source() {
    auto slot = some_slot();
    if (!slot) return;
    switch (random_.below(5)) {
        case 4: {
            // Most slots are of another kind, and refuse it.
            for (const std::size_t other : slots_there_are()) {
                if (random_.chance(0.7) && model_.slots().may_filter(other)) slot = other;
            }
            const auto filter = static_cast<unsigned>(random_.below(filters_there_are + 1));
            log_.say(fmt::format("-- slot {} gets filter {}", *slot, filter));
            process_->filter_source(*slot, filter);
            return;
        }
        case 0:
            if (!random_.chance(0.4)) return;
            log_.say(fmt::format("-- slot {} is removed", *slot));
            process_->remove_source(*slot);
            return;
        case 1: {
            const std::size_t token = token_to_use();
            log_.say(fmt::format("-- slot {} is rotated to token {}", *slot, token));
            process_->rotate_source(*slot, token);
            return;
        }
        default: {
            const auto& is = model_.slots().at(*slot).is;
            const bool own = random_.chance(0.5) && !is.name.empty();
            const std::string name = own ? is.name : some_name();
            const std::size_t token = random_.chance(0.5) ? is.token : token_to_use();
            log_.say(fmt::format("-- {} is added with token {}", name, token));
            process_->add_source(name, token);
        }
    }
}

void World::enable_what_is_gone() {
    for (const std::size_t slot : slots_there_are()) {
        if (!model_.is_gone(slot)) continue;
        log_.say(fmt::format("-- enable of slot {}", slot));
        process_->enable(slot);
    }
}

// Gives each queue a source with an unused name, for the final phase.
void World::give_all_a_source() {
    std::size_t next = names_there_are;
    for (const std::size_t slot : slots_there_are()) {
        const auto& is = model_.slots().at(slot).is;
        if (is.kind != Slots::Kind::left && is.kind != Slots::Kind::added) continue;
        if (!model_.is_gone(slot)) setup_.set(source_name(next++), is.token);
    }
}

}  // namespace flowrelay::test
