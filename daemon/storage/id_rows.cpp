#include "id_rows.hpp"

#include <algorithm>
#include <utility>

#include "flowrelay/base/bytes.hpp"

namespace flowrelay::storage {

namespace {

// A row: time of acceptance (8), token (8), length of the id (1), id.
constexpr std::size_t at_token = 8;
constexpr std::size_t at_length = 16;
constexpr std::size_t at_id = 17;

constexpr std::size_t max_in_portion = 4096;

}  // namespace

IdRows::IdRows(std::size_t limit)
    : limit_(limit), in_portion_(std::clamp<std::size_t>(limit / 8, 1, max_in_portion)) {}

void IdRows::add(const KnownId& known) {
    if (portions_.empty() || portions_.back().ids >= in_portion_) portions_.emplace_back();
    Portion& portion = portions_.back();
    const std::size_t at = portion.rows.size();
    portion.rows.resize(at + at_id + known.id.size());
    std::uint8_t* out = portion.rows.data() + at;
    store_le(out, static_cast<std::uint64_t>(known.accepted.time_since_epoch().count()));
    store_le(out + at_token, to_number(known.token));
    out[at_length] = static_cast<std::uint8_t>(known.id.size());
    std::ranges::copy(known.id, out + at_id);
    ++portion.ids;
    ++size_;
    while (size_ - portions_.front().ids >= limit_ && portions_.size() > 1) take();
}

void IdRows::for_each(const Use& use, std::size_t skip) const {
    for (const Portion& portion : portions_) {
        if (skip >= portion.ids) {
            skip -= portion.ids;
            continue;
        }
        read(portion.rows, [&](const KnownId& known) {
            if (skip > 0) {
                --skip;
            } else {
                use(known);
            }
        });
    }
}

std::vector<std::uint8_t> IdRows::take() {
    if (portions_.empty()) return {};
    Portion portion = std::move(portions_.front());
    portions_.pop_front();
    size_ -= portion.ids;
    return std::move(portion.rows);
}

void IdRows::read(std::span<const std::uint8_t> rows, const Use& use) {
    while (rows.size() >= at_id && rows.size() >= at_id + rows[at_length]) {
        const std::uint8_t* in = rows.data();
        const std::size_t length = in[at_length];
        const auto accepted = static_cast<std::int64_t>(load_le<std::uint64_t>(in));
        use({TokenId{load_le<std::uint64_t>(in + at_token)}, as_text(rows.subspan(at_id, length)),
             WallTime(Milliseconds(accepted))});
        rows = rows.subspan(at_id + length);
    }
}

}  // namespace flowrelay::storage
