#include "flowrelay/runtime/storage_thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <boost/asio/post.hpp>
#include <utility>

namespace flowrelay::runtime {

StorageThread::StorageThread(std::unique_ptr<storage::Spool> spool, boost::asio::any_io_executor io,
                             Milliseconds settle_delay)
    : work_(std::move(spool)), io_(std::move(io)), settle_delay_(settle_delay) {
    // Only the I/O thread handles signals: the new thread inherits a mask that blocks all of them.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

StorageThread::~StorageThread() {
    stop();
}

void StorageThread::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

StorageThread::Progress StorageThread::progress() const {
    const std::lock_guard lock(mutex_);
    // A waiting thread that is stuck does not notice new work, so look at the mail as well.
    return {passes_, idle_ && mail_.empty()};
}

void StorageThread::mail_came(bool first, bool can_wait) {
    // Outcomes wait to share a sync, so only the first has to wake the thread, which then knows how
    // long to wait.
    if (first || !can_wait) wake_.notify_one();
}

/// `busy`: there is other work, so take only the mail that is there, without waiting.
bool StorageThread::wait_for_mail(Mail& mail, bool busy) {
    std::unique_lock lock(mutex_);
    idle_ = !busy;
    // Failed writes of dead letters are retried periodically.
    const auto retry =
        work_.spool().has_unfinished() ? std::chrono::seconds(1) : std::chrono::hours(1);
    if (!busy) wake_.wait_for(lock, retry, [this] { return stopping_ || !mail_.empty(); });
    if (!mail_.settlements.empty() && !settle_by_) {
        settle_by_ = MonoTime::clock::now() + settle_delay_;
    }
    if (!busy && !stopping_ && mail_.can_wait() && settle_by_) {
        wake_.wait_until(lock, *settle_by_, [this] { return stopping_ || !mail_.can_wait(); });
    }
    mail = std::exchange(mail_, Mail());
    // Reads need no sync, so the outcomes keep waiting to share one.
    const bool early = settle_by_ && MonoTime::clock::now() < *settle_by_;
    if (!stopping_ && mail.only_reads() && (busy || !mail.can_wait()) && early) {
        mail_.settlements = std::exchange(mail.settlements, {});
    } else {
        settle_by_.reset();
    }
    idle_ = false;
    ++passes_;
    return !stopping_ || !mail.empty();
}

void StorageThread::run() {
    Mail mail;
    bool busy = false;
    while (wait_for_mail(mail, busy)) {
        work(std::move(mail));
        busy = work_.maintain();
    }
    work(std::move(mail));  // the last retry of failed writes
    work_.end();
}

void StorageThread::work(Mail mail) {
    auto completions = work_.carry_out(std::move(mail));
    if (completions.empty()) return;
    boost::asio::post(io_, [completions = std::move(completions)]() mutable {
        for (auto& completion : completions) completion();
    });
}

}  // namespace flowrelay::runtime
