#include "flowrelay/storage/event_queue.hpp"

#include <string>

namespace flowrelay::storage {

namespace {

class QueueCategory final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "flowrelay.queue"; }

    std::string message(int value) const override {
        switch (static_cast<QueueErrc>(value)) {
            case QueueErrc::full:
                return "the queue is full";
            case QueueErrc::failed:
                return "the queue can't make anything durable any more";
            case QueueErrc::not_found:
                return "no such event in the queue";
            case QueueErrc::damaged:
                return "the event's record is damaged";
            case QueueErrc::unreadable:
                return "the disk does not give what is stored";
        }
        return "unknown error of the queue";
    }
};

}  // namespace

Result<std::uint64_t> EventQueue::erase(TokenId token) {
    begin_erasure({&token, 1});
    while (true) {
        const auto step = erase_some();
        if (step.has_error()) return step.error();
        if (!*step) continue;
        const auto events = (*step)->find(token);
        return events == (*step)->end() ? 0 : events->second;
    }
}

const boost::system::error_category& queue_category() noexcept {
    static const QueueCategory category;
    return category;
}

error_code make_error_code(QueueErrc value) noexcept {
    return {static_cast<int>(value), queue_category()};
}

}  // namespace flowrelay::storage
