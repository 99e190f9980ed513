#include "flowrelay/core/letter_room.hpp"

namespace flowrelay::core {

void LetterRoom::stored(const LetterUsage& usage) {
    stored_ = usage;
    // They may have arrived in another order: only the last report has to be exact.
    while (!on_their_way_.empty() && handed_over_ - on_their_way_.size() < usage.buried) {
        bytes_on_their_way_ -= on_their_way_.front();
        on_their_way_.pop_front();
    }
}

void LetterRoom::bury(std::uint64_t bytes) {
    on_their_way_.push_back(bytes);
    bytes_on_their_way_ += bytes;
    ++handed_over_;
}

std::uint64_t LetterRoom::free_letters() const noexcept {
    if (stored_.bytes + bytes_on_their_way_ >= limits_.max_bytes) return 0;
    const std::uint64_t letters = stored_.letters + on_their_way_.size();
    return letters < limits_.max_events ? limits_.max_events - letters : 0;
}

// Headers, the id and the producer take less than the constant.
std::uint64_t letter_size(std::uint64_t event_bytes, const DeadLetter& letter) noexcept {
    return event_bytes + letter.reason.size() + letter.server_errors.size() + 768;
}

}  // namespace flowrelay::core
