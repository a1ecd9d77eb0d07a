//! Points of a face in a picture, what they say of the head, and how a face is set upright.

/// A place in a picture, pixels from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl Point {
    /// A place.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    fn to(self, other: Point) -> Point {
        Point::new(other.x - self.x, other.y - self.y)
    }

    fn distance(self, other: Point) -> f32 {
        let step = self.to(other);
        step.x.hypot(step.y)
    }

    fn middle(self, other: Point) -> Point {
        Point::new((self.x + other.x) / 2.0, (self.y + other.y) / 2.0)
    }
}

/// The frame around a face, pixels; it may reach beyond the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FaceBox {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

impl FaceBox {
    /// Its middle.
    pub fn centre(&self) -> Point {
        Point::new(self.left + self.width / 2.0, self.top + self.height / 2.0)
    }

    /// Shared area over joined area, 0 to 1.
    pub fn overlap(&self, other: &FaceBox) -> f32 {
        let span = |from: f32, length: f32, other_from: f32, other_length: f32| {
            let end = (from + length).min(other_from + other_length);
            (end - from.max(other_from)).max(0.0)
        };
        let shared = span(self.left, self.width, other.left, other.width)
            * span(self.top, self.height, other.top, other.height);
        let joined = self.width * self.height + other.width * other.height - shared;
        match joined > 0.0 {
            true => shared / joined,
            false => 0.0,
        }
    }
}

/// Five points of a face. Right and left are the person's own: in a picture that is not mirrored
/// the right eye is on the left side.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Landmarks {
    pub right_eye: Point,
    pub left_eye: Point,
    pub nose: Point,
    pub mouth_right: Point,
    pub mouth_left: Point,
}

impl Landmarks {
    /// In the order in which detectors and networks state them.
    pub fn points(&self) -> [Point; 5] {
        [
            self.right_eye,
            self.left_eye,
            self.nose,
            self.mouth_right,
            self.mouth_left,
        ]
    }

    /// The same backwards.
    pub fn from_points(points: [Point; 5]) -> Self {
        let [right_eye, left_eye, nose, mouth_right, mouth_left] = points;
        Self {
            right_eye,
            left_eye,
            nose,
            mouth_right,
            mouth_left,
        }
    }

    /// How far the head is turned: the nose's way from the middle between the eyes along their
    /// line, over their distance. Positive to the person's own left, about 0 frontally. Turning
    /// the picture in its plane changes nothing.
    pub fn yaw(&self) -> f32 {
        let (along, _) = self.in_face(self.nose);
        along
    }

    /// Eyes above the nose above the mouth, each about where faces have them: a guard against
    /// points that were guessed through a hand or a mask.
    pub fn is_plausible(&self) -> bool {
        let (_, nose) = self.in_face(self.nose);
        let mouth = self.mouth_right.middle(self.mouth_left);
        let (mouth_along, mouth_down) = self.in_face(mouth);
        let width = self.mouth_right.distance(self.mouth_left);
        let width = width / self.right_eye.distance(self.left_eye).max(f32::EPSILON);
        let turned_over = self.left_eye.x <= self.right_eye.x;
        let values = [nose, mouth_along, mouth_down, width];
        values.iter().all(|value| value.is_finite())
            && !turned_over
            && (0.15..=1.1).contains(&nose)
            && (0.6..=1.9).contains(&mouth_down)
            && mouth_down > nose + 0.15
            && mouth_along.abs() <= 0.6
            && (0.3..=1.6).contains(&width)
    }

    /// The greatest distance between the same points of two sets, in distances of the eyes.
    pub fn apart(&self, other: &Landmarks) -> f32 {
        let eyes = self.right_eye.distance(self.left_eye).max(f32::EPSILON);
        let pairs = self.points().into_iter().zip(other.points());
        pairs
            .map(|(one, two)| one.distance(two) / eyes)
            .fold(0.0, f32::max)
    }

    /// A place seen from the middle between the eyes: along their line and square to it
    /// (downwards), in distances of the eyes.
    fn in_face(&self, place: Point) -> (f32, f32) {
        let axis = self.right_eye.to(self.left_eye);
        let squared = (axis.x * axis.x + axis.y * axis.y).max(f32::EPSILON);
        let step = self.right_eye.middle(self.left_eye).to(place);
        let along = (step.x * axis.x + step.y * axis.y) / squared;
        let down = (step.y * axis.x - step.x * axis.y) / squared;
        (along, down)
    }
}

/// Points of the usual 68-point layout: jaw 0 to 16, brows to 26, nose to 35, eyes to 47, outer
/// lips to 59, inner lips to 67.
#[derive(Clone, Debug, PartialEq)]
pub struct Contour([Point; Contour::POINTS]);

impl Contour {
    /// How many points there are.
    pub const POINTS: usize = 68;
    const NOSE_TIP: usize = 30;
    /// The jaw at the height of the nose, on the person's right.
    const JAW_RIGHT: usize = 2;
    const JAW_LEFT: usize = 14;

    /// A contour of these points.
    pub fn new(points: [Point; Self::POINTS]) -> Self {
        Self(points)
    }

    /// The five points among them.
    pub fn landmarks(&self) -> Landmarks {
        Landmarks {
            right_eye: self.mean(36..42),
            left_eye: self.mean(42..48),
            nose: self.0[Self::NOSE_TIP],
            mouth_right: self.0[48],
            mouth_left: self.0[54],
        }
    }

    /// How far the mouth is open: height over width of the inner lips.
    pub fn mouth(&self) -> f32 {
        let width = self.0[60].distance(self.0[64]).max(f32::EPSILON);
        let height = [(61, 67), (62, 66), (63, 65)]
            .into_iter()
            .map(|(upper, lower)| self.0[upper].distance(self.0[lower]))
            .sum::<f32>()
            / 3.0;
        height / width
    }

    /// How far the head is turned: how much nearer the tip of the nose is to one side of the jaw
    /// than to the other, -1 to 1. Positive to the person's own left, about 0 frontally. A nose
    /// moves against the jaw when a head turns, and hardly when a photo does.
    pub fn yaw(&self) -> f32 {
        let nose = self.0[Self::NOSE_TIP];
        let right = nose.distance(self.0[Self::JAW_RIGHT]);
        let left = nose.distance(self.0[Self::JAW_LEFT]);
        (right - left) / (right + left).max(f32::EPSILON)
    }

    fn mean(&self, range: std::ops::Range<usize>) -> Point {
        let count = range.len() as f32;
        let points = &self.0[range];
        let x = points.iter().map(|point| point.x).sum::<f32>();
        let y = points.iter().map(|point| point.y).sum::<f32>();
        Point::new(x / count, y / count)
    }
}

/// One face as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Face {
    /// Where.
    pub bounds: FaceBox,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// Its five points.
    pub landmarks: Landmarks,
    /// [`Contour::yaw`]; [`Landmarks::yaw`] where no network for finer points is there.
    pub yaw: f32,
    /// [`Contour::mouth`], where a network for it is there.
    pub mouth: Option<f32>,
    /// What else says whether it can be judged.
    pub quality: Quality,
}

/// What says whether a face can be judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Mean luminance of the face's chip, 0 to 255.
    pub luminance: f32,
    /// The points are where faces have them, and both networks agree on them.
    pub plausible: bool,
}

/// A turn, a scale and a shift: `(x, y)` becomes `(ax - by + dx, bx + ay + dy)`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the formula above says it")]
pub struct Upright {
    pub a: f32,
    pub b: f32,
    pub dx: f32,
    pub dy: f32,
}

impl Upright {
    /// What brings `from` nearest to `to` by least squares (S. Umeyama 1991, in the plane and
    /// without mirroring); `None` if all points of `from` are one.
    pub fn between(from: &[Point; 5], to: &[Point; 5]) -> Option<Self> {
        let (centre_from, centre_to) = (centre(from), centre(to));
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for (one, two) in from.iter().zip(to) {
            let (p, q) = (centre_from.to(*one), centre_to.to(*two));
            along += p.x * q.x + p.y * q.y;
            across += p.x * q.y - p.y * q.x;
            spread += p.x * p.x + p.y * p.y;
        }
        if !spread.is_finite() || spread <= f32::EPSILON {
            return None;
        }
        let (a, b) = (along / spread, across / spread);
        Some(Self {
            a,
            b,
            dx: centre_to.x - (a * centre_from.x - b * centre_from.y),
            dy: centre_to.y - (b * centre_from.x + a * centre_from.y),
        })
    }

    /// Where a place goes.
    pub fn apply(&self, place: Point) -> Point {
        Point::new(
            self.a * place.x - self.b * place.y + self.dx,
            self.b * place.x + self.a * place.y + self.dy,
        )
    }

    /// The way back; `None` if it shrinks everything to a point.
    pub fn inverse(&self) -> Option<Self> {
        let squared = self.a * self.a + self.b * self.b;
        if !squared.is_finite() || squared <= f32::EPSILON {
            return None;
        }
        let (a, b) = (self.a / squared, -self.b / squared);
        Some(Self {
            a,
            b,
            dx: -(a * self.dx - b * self.dy),
            dy: -(b * self.dx + a * self.dy),
        })
    }
}

fn centre(points: &[Point; 5]) -> Point {
    let x = points.iter().map(|point| point.x).sum::<f32>();
    let y = points.iter().map(|point| point.y).sum::<f32>();
    Point::new(x / 5.0, y / 5.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A face that looks into the camera, its eyes 100 pixels apart.
    pub(crate) const FRONTAL: Landmarks = Landmarks {
        right_eye: Point::new(200.0, 200.0),
        left_eye: Point::new(300.0, 200.0),
        nose: Point::new(250.0, 255.0),
        mouth_right: Point::new(210.0, 310.0),
        mouth_left: Point::new(290.0, 310.0),
    };

    fn moved(landmarks: &Landmarks, way: &Upright) -> Landmarks {
        Landmarks::from_points(landmarks.points().map(|point| way.apply(point)))
    }

    fn turned(degrees: f32, scale: f32, dx: f32, dy: f32) -> Upright {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Upright {
            a: scale * cos,
            b: scale * sin,
            dx,
            dy,
        }
    }

    #[test]
    fn a_head_turned_to_its_own_left_has_a_positive_yaw() {
        assert!(FRONTAL.yaw().abs() < 1e-6);
        let mut left = FRONTAL;
        left.nose.x += 20.0;
        assert!((left.yaw() - 0.2).abs() < 1e-6);
    }

    #[test]
    fn points_in_disorder_are_not_plausible() {
        assert!(FRONTAL.is_plausible());
        let mut mouth_on_nose = FRONTAL;
        mouth_on_nose.mouth_left.y = 256.0;
        mouth_on_nose.mouth_right.y = 256.0;
        assert!(!mouth_on_nose.is_plausible());
        let upside_down = moved(&FRONTAL, &turned(180.0, 1.0, 0.0, 0.0));
        assert!(!upside_down.is_plausible());
        let mut nowhere = FRONTAL;
        nowhere.nose.y = f32::NAN;
        assert!(!nowhere.is_plausible());
        assert!(!Landmarks::from_points([Point::new(1.0, 1.0); 5]).is_plausible());
    }

    #[test]
    fn points_that_are_all_one_have_no_upright() {
        let one = [Point::new(3.0, 4.0); 5];
        assert_eq!(Upright::between(&one, &FRONTAL.points()), None);
    }

    #[test]
    fn boxes_overlap_by_what_they_share() {
        let one = FaceBox {
            left: 0.0,
            top: 0.0,
            width: 10.0,
            height: 10.0,
        };
        let half = FaceBox { left: 5.0, ..one };
        let away = FaceBox { left: 20.0, ..one };
        assert!((one.overlap(&one) - 1.0).abs() < 1e-6);
        assert!((one.overlap(&half) - 1.0 / 3.0).abs() < 1e-6);
        assert!(one.overlap(&away).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn turning_scaling_and_shifting_a_picture_leaves_yaw_as_it_is(
            degrees in -60.0_f32..60.0, scale in 0.2_f32..4.0,
            dx in -500.0_f32..500.0, dy in -500.0_f32..500.0, nose in -40.0_f32..40.0,
        ) {
            let mut face = FRONTAL;
            face.nose.x += nose;
            let seen = moved(&face, &turned(degrees, scale, dx, dy));
            prop_assert!((seen.yaw() - face.yaw()).abs() < 1e-3);
        }

        #[test]
        fn a_face_is_set_upright_wherever_and_however_it_stands(
            degrees in -180.0_f32..180.0, scale in 0.2_f32..4.0,
            dx in -500.0_f32..500.0, dy in -500.0_f32..500.0,
        ) {
            let way = turned(degrees, scale, dx, dy);
            let seen = moved(&FRONTAL, &way);
            let back = Upright::between(&seen.points(), &FRONTAL.points()).expect("five points");
            for (point, wanted) in seen.points().into_iter().zip(FRONTAL.points()) {
                prop_assert!(back.apply(point).distance(wanted) < 0.5);
            }
            let again = back.inverse().expect("a scale");
            for (point, wanted) in FRONTAL.points().into_iter().zip(seen.points()) {
                prop_assert!(again.apply(point).distance(wanted) < 0.5);
            }
        }
    }
}
