#include "core/shares.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core::scheduling {
namespace {

// One that was not answered well, of 32 places, while another token is well.
PlacesAsked unproven() {
    PlacesAsked asked;
    asked.all = 32;
    asked.alone = false;
    asked.another_is_well = true;
    return asked;
}

TEST(ShareOfPlaces, OfATokenThatIsAloneIsAllWhenItWasAnsweredWell) {
    PlacesAsked asked;
    asked.all = 32;
    EXPECT_EQ(share_of_places(asked), 28U);
    asked.answered = true;
    EXPECT_EQ(share_of_places(asked), 32U);
}

TEST(ShareOfPlaces, IsHalfWhileAnotherIsReady) {
    PlacesAsked asked = unproven();
    asked.answered = asked.another_is_ready = true;
    EXPECT_EQ(share_of_places(asked), 16U);
}

TEST(ShareOfPlaces, OfTheLastEighthIsOneForATokenThatMayHang) {
    PlacesAsked asked = unproven();
    asked.in_flight = asked.unproven = 28;
    asked.of_token = 3;
    EXPECT_EQ(share_of_places(asked), 3U) << "no more";
    asked.of_token = 0;
    EXPECT_EQ(share_of_places(asked), 28U);
}

TEST(ShareOfPlaces, OfTokensThatMayHangIsAllButOneTogether) {
    for (const std::size_t all : {2U, 8U, 32U}) {
        PlacesAsked asked = unproven();
        asked.all = all;
        asked.in_flight = asked.unproven = all - 1;
        EXPECT_EQ(share_of_places(asked), 0U) << all;
        asked.another_is_well = false;
        EXPECT_GT(share_of_places(asked), 0U) << all << ", and nobody is known to be well";
    }
}

TEST(ShareOfPlaces, OfOnePlaceIsThatPlace) {
    PlacesAsked asked = unproven();
    asked.all = 1;
    EXPECT_EQ(share_of_places(asked), 1U);
}

}  // namespace
}  // namespace flowrelay::core::scheduling
