import type { LocalVideoTrack } from 'livekit-client';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { Gesture } from '../api/types';

/** Shapes of the picture, width by height: a computer's camera, and a phone held upright. */
const WIDEST = 4 / 3;
const TALLEST = 3 / 4;

interface Props {
  track: LocalVideoTrack | undefined;
  /** Said of the picture to those who do not see it. */
  label: string;
  gesture?: Gesture;
  /** In place of the picture while there is none. */
  children?: ReactNode;
}

/** One's own picture as in a mirror, with an oval for the face and the act that is asked. */
export function FaceGuide({ track, label, gesture, children }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const [shape, setShape] = useState(WIDEST);
  const measure = () => {
    const { videoWidth = 0, videoHeight = 0 } = video.current ?? {};
    if (videoHeight > 0) setShape(Math.min(WIDEST, Math.max(TALLEST, videoWidth / videoHeight)));
  };
  useEffect(() => {
    const element = video.current;
    if (!track || !element) return;
    track.attach(element);
    return () => {
      track.detach(element);
    };
  }, [track]);
  return (
    <div className="face-guide room" style={{ aspectRatio: shape }} data-testid="face-guide">
      {track ? (
        <>
          <video
            ref={video}
            aria-label={label}
            muted
            playsInline
            autoPlay
            onLoadedMetadata={measure}
            onResize={measure}
          />
          <svg
            className="face-oval"
            viewBox="0 0 400 300"
            preserveAspectRatio="xMidYMid slice"
            aria-hidden="true"
          >
            <ellipse cx="200" cy="146" rx="88" ry="118" />
          </svg>
          {gesture && <GestureSign gesture={gesture} />}
        </>
      ) : (
        <div className="face-none">{children}</div>
      )}
    </div>
  );
}

/** The act as a drawn head that shows it, and an arrow where there is a side. */
function GestureSign({ gesture }: { gesture: Gesture }) {
  return (
    <>
      <svg className={`face-sign sign-${gesture}`} viewBox="0 0 64 64" aria-hidden="true">
        <path className="sign-head" d="M32 6c13 0 20 10 20 24S44 58 32 58 12 44 12 30 19 6 32 6z" />
        <g className="sign-face">
          <path d="M24 27h.01M40 27h.01M32 30v7l-3 1" />
          <ellipse className="sign-mouth" cx="32" cy="46" rx="6" ry="1" />
        </g>
      </svg>
      {gesture !== 'open_mouth' && (
        <svg className={`face-arrow arrow-${gesture}`} viewBox="0 0 48 48" aria-hidden="true">
          <path d="M40 24H8M20 10 6 24l14 14" />
        </svg>
      )}
    </>
  );
}
